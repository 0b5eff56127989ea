// What the reader does: choose a moment, step, zoom, pan; and the address that says where one is.
const MINIMUM = 200;

function select(t, node = cursor.node) {
  cursor.t = Math.round(Math.min(Math.max(0, t), run.end));
  cursor.node = Math.min(Math.max(0, node), run.nodes);
  const margin = span() * 0.08;
  if (cursor.t < view.from + margin || cursor.t > view.to - margin) {
    const from = cursor.t < view.from + margin ? cursor.t - span() * 0.3 : cursor.t - span() * 0.7;
    // Near the edge a frame of the whole run may stay as it is.
    if (!inView(cursor.t)) show(from, from + span());
  }
  const link = "#t=" + stamp(cursor.t)
    + (cursor.node ? "&n=" + DATA.nodes[cursor.node - 1] : "");
  try {
    history.replaceState(null, "", link);
  } catch {
    location.hash = link;
  }
  refresh();
}

function show(from, to) {
  const length = Math.min(Math.max(MINIMUM, to - from), run.end * 1.1 + 1000);
  const middle = (from + to) / 2;
  const least = -length * 0.05, most = run.end + length * 0.1;
  view.from = Math.min(Math.max(middle - length / 2, least), Math.max(least, most - length));
  view.to = view.from + length;
}

// With a little air, so that marks at the ends are whole.
function showAll() {
  show(-run.end * 0.012, run.end * 1.012);
}

function refresh() {
  draw();
  drawPanel();
}

function zoom(factor, around) {
  const t = around ?? (cursor.t !== null && inView(cursor.t) ? cursor.t
    : (view.from + view.to) / 2);
  show(t - (t - view.from) * factor, t + (view.to - t) * factor);
  draw();
}

function pan(part) {
  show(view.from + span() * part, view.to + span() * part);
  draw();
}

function step(direction) {
  const t = cursor.t ?? (direction > 0 ? view.from - 1 : view.to);
  const at = lastAt(steps, t);
  const next = direction > 0 ? at + 1 : steps[at] === t ? at - 1 : at;
  if (next < 0 || next >= steps.length) return;
  // One follows what happens: the lane of the event is chosen only if no lane was.
  const event = run.events.find((e) => e.at === steps[next] && e.node);
  select(steps[next], cursor.node || (event ? event.node : 0));
}

function stepNode(direction) {
  const node = Math.min(Math.max(1, cursor.node + direction), run.nodes);
  select(cursor.t ?? view.to, node);
}

const KEYS = {
  ArrowRight: () => step(1), j: () => step(1), ArrowLeft: () => step(-1), k: () => step(-1),
  ArrowDown: () => stepNode(1), ArrowUp: () => stepNode(-1),
  "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), _: () => zoom(1 / 0.6),
  h: () => pan(-0.25), l: () => pan(0.25),
  0: () => { showAll(); draw(); },
  v: () => toViolation(),
  m: () => { routine = !routine; draw(); },
  Escape: () => { cursor.node = 0; refresh(); },
};

function toViolation() {
  if (!DATA.violation) return;
  show(DATA.violation.at - 2e6, DATA.violation.at + 15e4);
  select(DATA.violation.at, accused()[0] ?? cursor.node);
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});

// From a pointer to the diagram's own coordinates.
function place(event) {
  const at = diagram.getBoundingClientRect();
  return { x: (event.clientX - at.left) * box.width / at.width,
    y: (event.clientY - at.top) * box.height / at.height };
}

diagram.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    return pan((event.deltaX || event.deltaY) / 1500);
  }
  zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * 0.0035), tOf(place(event).x));
}, { passive: false });

let drag = null;
diagram.addEventListener("pointerdown", (event) => {
  drag = { x: place(event).x, from: view.from, to: view.to, moved: false, target: event.target };
});
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const dx = place(event).x - drag.x;
  if (!drag.moved && Math.abs(dx) < 4) return;
  drag.moved = true;
  diagram.classList.add("dragging");
  const dt = dx / (box.width - box.left - box.right) * (drag.to - drag.from);
  show(drag.from - dt, drag.to - dt);
  draw();
});
addEventListener("pointerup", () => {
  diagram.classList.remove("dragging");
  if (drag?.moved) setTimeout(() => { drag = null; }, 0);
  else drag = null;
});

diagram.addEventListener("click", (event) => {
  if (drag?.moved) return;
  const message = event.target.closest?.(".catch");
  if (message) return select(Number(message.dataset.at), Number(message.dataset.node));
  const { x, y } = place(event);
  const node = Math.round((y - box.top) / box.pitch + 0.5);
  const onLane = y >= box.top && y < box.bottom && node >= 1 && node <= run.nodes;
  select(x < box.left ? cursor.t ?? view.to : tOf(x), onLane ? node : 0);
});
diagram.addEventListener("dblclick", (event) => zoom(0.35, tOf(place(event).x)));

let sliding = false;
const overview = byId("overview");
function slide(event) {
  const at = overview.getBoundingClientRect();
  const t = (event.clientX - at.left) / at.width * run.end;
  const length = span() > run.end * 0.9 ? run.end / 8 : span();
  show(t - length / 2, t + length / 2);
  draw();
}
overview.addEventListener("pointerdown", (event) => { sliding = true; slide(event); });
addEventListener("pointermove", (event) => { if (sliding) slide(event); });
addEventListener("pointerup", () => { sliding = false; });

// `#t=12.431` opens at that moment; `&n=3` at that node.
function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const t = asked.has("t") ? Number.parseFloat(asked.get("t")) * 1e6 : NaN;
  if (!Number.isFinite(t)) return false;
  const node = Number.parseInt(asked.get("n") ?? "0", 10) || 0;
  const length = span() > run.end * 0.9 ? Math.min(4e6, span()) : span();
  if (!inView(t) || length < span()) show(t - length / 2, t + length / 2);
  select(t, laneOf(node));
  return true;
}

const KEY = [
  ["leader", '<rect class="seg leader" x="1" y="1" width="24" height="14" rx="3"/>'],
  ["candidate", '<rect class="seg candidate" x="1" y="2.5" width="24" height="11" rx="3"/>'],
  ["follower", '<rect class="seg follower" x="1" y="4" width="24" height="8" rx="3"/>'],
  ["learner", '<rect class="seg learner" x="1" y="5" width="24" height="6" rx="3"/>'],
  ["down", '<rect class="seg down" x="1" y="4" width="24" height="8" rx="2"/>'],
  ["paused", '<rect class="seg follower" x="1" y="4" width="24" height="8"/>'
    + '<rect class="paused" x="1" y="2" width="24" height="12"/>'],
  ["cut both ways", '<rect class="gap both" x="1" y="1" width="24" height="14"/>'],
  ["cut one way", '<rect class="gap one" x="1" y="1" width="24" height="14"/>'],
  ["crash", '<circle class="mark crash" cx="13" cy="8" r="7"/>'
    + '<path class="markline" d="M10 5 l6 6 m0 -6 l-6 6"/>'],
  ["start", '<circle class="mark start" cx="13" cy="8" r="7"/>'
    + '<path class="markline" d="M11 4.6 L16.2 8 L11 11.4 Z"/>'],
  ["recording ends", '<circle class="mark stop" cx="13" cy="8" r="7"/>'
    + '<path class="markline" d="M10.6 5.6 h4.8 v4.8 h-4.8 Z"/>'],
  ["suspects / holds dead", '<circle class="mark suspect" cx="8" cy="8" r="3.6"/>'
    + '<circle class="mark died" cx="18" cy="8" r="3.6"/>'],
  ["role granted", '<path class="grant" d="M13 3 l5 5 l-5 5 l-5 -5 z"/>'],
  ["election", '<path class="message election" d="M1 13 L25 3"/>'],
  ["replication", '<path class="message replication" d="M1 13 L25 3"/>'],
  ["membership", '<path class="message membership" d="M1 13 L25 3"/>'],
  ["state", '<path class="message gossip" d="M1 13 L25 3"/>'],
  ["proposal", '<path class="message control" d="M1 13 L25 3"/>'],
  ["not delivered", '<path class="message lost replication" d="M1 13 L17 6"/>'
    + '<path class="cross" d="M14 3 l6 6 m0 -6 l-6 6"/>'],
  ["write acknowledged / stale", '<path class="acked" d="M8 2 V14"/><path class="stale" '
    + 'd="M18 2 V14"/>'],
];

function drawWords() {
  byId("name").textContent = DATA.name;
  html(byId("name"), "small", {}, DATA.detail);
  const told = (kind) => run.events.filter((event) => event.kind === kind).length;
  byId("about").textContent = `${run.nodes} nodes, `
    + `${DATA.voters.filter((id) => laneOf(id)).length} voters, ${seconds(run.end, 1)} s · `
    + `${told("acked")} writes acknowledged, ${told("stale")} refused as stale · `
    + `trace ${DATA.trace}`;
  const verdict = byId("verdict");
  const bad = DATA.violation || DATA.unmet.length;
  verdict.className = bad ? "bad" : "good";
  if (DATA.violation) {
    html(verdict, "b", {}, `Violation of ${DATA.violation.checker} at `
      + `${seconds(DATA.violation.at)} s. `);
    verdict.append(DATA.violation.what);
    verdict.addEventListener("click", toViolation);
  } else if (bad) {
    html(verdict, "b", {}, "Unmet: ");
    verdict.append(DATA.unmet.join("; "));
  } else if (!DATA.checked) {
    verdict.className = "plain";
    verdict.textContent = "Real lives, lived again; no checker watched them";
  } else {
    verdict.textContent = "No property violated";
  }
  for (const [words, picture] of KEY) {
    const item = html(byId("legend"), "span");
    const svg = el(item, "svg", { viewBox: "0 0 26 16", style: "--h:255" });
    svg.innerHTML = picture; // Constants of this file only.
    item.append(words);
  }
}

drawWords();
if (span() >= run.end) showAll();
else show(view.from, view.to);
if (!fromAddress()) {
  if (DATA.violation && inView(DATA.violation.at)) {
    cursor.t = DATA.violation.at;
    cursor.node = accused()[0] ?? 0;
  }
  refresh();
}
addEventListener("hashchange", fromAddress);
addEventListener("resize", draw);
