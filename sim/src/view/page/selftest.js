// `?selftest`: the page uses itself as a reader would and writes down what it found.
if (new URLSearchParams(location.search).has("selftest")) {
  const found = {};
  const check = (name, fact) => { found[name] = Boolean(fact); };
  const press = (key) => dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  const click = (x, y) => {
    const at = diagram.getBoundingClientRect();
    const where = { bubbles: true, clientX: at.left + x * at.width / box.width,
      clientY: at.top + y * at.height / box.height };
    diagram.dispatchEvent(new PointerEvent("pointerdown", where));
    diagram.dispatchEvent(new PointerEvent("pointerup", where));
    diagram.dispatchEvent(new MouseEvent("click", where));
  };
  try {
    const opened = cursor.t;
    const asked = /t=([\d.]+)/.exec(location.hash);
    check("opens_at_the_linked_moment", !asked || Math.abs(opened - asked[1] * 1e6) < 1);
    check("a_lane_for_each_node",
      diagram.querySelectorAll(".lane").length === run.nodes && run.nodes > 0);
    check("many_lanes_are_thin", run.nodes <= 12 || box.pitch < 46);
    const known = steps.filter(inView);
    const middle = known[known.length >> 1] - span() / 500;
    const node = run.nodes;
    click(xOf(middle), laneY(node));
    check("a_click_chooses_lane_and_moment",
      cursor.node === node && Math.abs(cursor.t - middle) < span() / 100);
    check("the_panel_tells_the_node", panel.querySelector("h2").textContent.startsWith(nameOf(node))
      && panel.textContent.includes("process") && panel.querySelector("li"));
    check("the_link_names_moment_and_node", location.hash.includes("t=" + stamp(cursor.t))
      && location.hash.endsWith("n=" + DATA.nodes[node - 1]));
    const before = cursor.t;
    press("j");
    const after = cursor.t;
    check("a_step_goes_to_the_next_event", after > before && steps.includes(after));
    press("k");
    press("k");
    check("and_back", cursor.t < after && steps.includes(cursor.t));
    check("the_link_follows", location.hash.includes("t=" + stamp(cursor.t)));
    const wide = span();
    press("+");
    check("plus_zooms_in", span() < wide);
    press("-");
    press("-");
    check("minus_zooms_out", span() > wide * 0.99);
    press("0");
    check("zero_shows_all", span() >= run.end);
    const arrows = diagram.querySelectorAll(".messages > g").length;
    check("arrows_are_bounded", arrows <= ARROWS_MAX);
    press("ArrowUp");
    check("up_chooses_the_lane_above", cursor.node === Math.max(1, node - 1));
    const folded = (list) => list.filter((m) => m.folded).length;
    press("0");
    const first = run.messages.find((m) => m.folded && m.fate >= 0);
    cursor.node = 0;
    check("routine_folds_away", folded(chosenMessages().shown) === 0);
    // A page of a busy hour may hold no routine at all.
    if (first) {
      show(first.at - 5e4, first.at + 5e4);
      check("and_unfolds_close_up", folded(chosenMessages().shown) > 0);
      draw();
    }
    if (DATA.violation) {
      press("v");
      const pins = diagram.querySelectorAll(".violation .pinbox").length;
      check("the_violation_is_pinned", pins === 1 && cursor.t === DATA.violation.at);
    }
    // Every kept state agrees with one folded from the start.
    check("states_fold_alike", run.lanes.every((lane) => {
      const state = { ...EMPTY };
      return lane.changes.every((changes, i) => {
        fold(state, changes);
        if (lane.at[i + 1] === lane.at[i]) return true;
        const kept = stateAt(lane.node, lane.at[i]);
        return kept.term === state.term && kept.commit === state.commit && kept.up === state.up
          && Object.keys(kept).length === Object.keys(state).length;
      });
    }));
    select(opened ?? middle, node);
  } catch (error) {
    found.error = String(error);
  }
  const failed = Object.keys(found).filter((name) => found[name] !== true);
  const report = html(document.body, "pre", { id: "selftest" });
  report.textContent = `selftest ${failed.length ? "failed: " + failed.join(" ") : "passed"}: `
    + `${Object.keys(found).length} checks` + (found.error ? "; " + found.error : "");
}
