// Which messages are drawn, and how. Far out only the votes, near everything told;
// routine (heartbeats, probes, acknowledgements) close up, of a selected node, or on request.
const ARROWS_MAX = 300;
const FAR = 5e6, NEAR = 400e3, AROUND = 60e3;

function chosenMessages() {
  const focus = cursor.t !== null && inView(cursor.t) ? cursor.t
    : DATA.violation && inView(DATA.violation.at) ? DATA.violation.at
    : (view.from + view.to) / 2;
  const far = span() > FAR, near = span() <= NEAR || routine;
  const touches = (m) => cursor.node && (m.from === cursor.node || m.to === cursor.node);
  const isWanted = (m) => {
    if (m.folded) {
      return near || (span() <= FAR && cursor.t !== null && touches(m)
        && Math.abs(m.at - cursor.t) <= AROUND);
    }
    return !far || m.kind === "Vote" || m.kind === "VoteReply";
  };
  const ends = (m) => (m.fate >= 0 ? m.at + m.fate : m.at);
  const visible = run.messages.filter((m) => m.at <= view.to && ends(m) >= view.from);
  const wanted = visible.filter(isWanted);
  const distance = (m) => Math.abs(m.at - focus);
  const shown = wanted.length <= ARROWS_MAX ? wanted
    : [...wanted].sort((a, b) => distance(a) - distance(b)).slice(0, ARROWS_MAX);
  return { shown, wanted: wanted.length, visible: visible.length, far };
}

function drawMessages() {
  const { shown, wanted, visible, far } = chosenMessages();
  const crowd = shown.length > 150 ? 0.55 : shown.length > 60 ? 0.75 : 1;
  const g = el(diagram, "g", { class: "messages", "clip-path": "url(#plot)",
    opacity: span() > NEAR ? crowd : 1 });
  for (const message of shown) drawMessage(g, message);
  const count = (n) => n.toLocaleString("en");
  let told = shown.length < wanted
    ? `${count(shown.length)} of ${count(wanted)} messages drawn, those nearest the cursor`
    : `${count(shown.length)} messages drawn`;
  if (visible > wanted) {
    told += `; ${count(visible - wanted)} more fold away (`
      + (far ? "zoom in, or m for routine ones)" : "zoom in, or press m)");
  }
  if (DATA.left_out) told += `. This page leaves out ${count(DATA.left_out)} messages for its size`;
  return told + ".";
}

function drawMessage(g, m) {
  const down = m.to > m.from;
  const offset = (down ? 12 : -12) * box.scale;
  const [y1, y2] = [laneY(m.from) + offset, laneY(m.to) - offset];
  const x1 = xOf(m.at);
  const arrives = m.fate >= 0;
  const near = cursor.t !== null && cursor.node
    && (m.from === cursor.node ? Math.abs(m.at - cursor.t) < 1
      : m.to === cursor.node && arrives && Math.abs(m.at + m.fate - cursor.t) < 1);
  let x2 = arrives ? xOf(m.at + m.fate) : x1 + 7;
  let end = y2;
  if (m.fate === -1) end = y1 + (y2 - y1) * Math.min(0.5, 30 / Math.abs(y2 - y1));
  if (m.fate === -2) end = y1 + (y2 - y1) * 0.75;
  const classes = ["message", m.folded && "folded", m.fate === -1 && "lost",
    m.fate === -2 && "underway", near && "near"].filter(Boolean).join(" ");
  const arrow = el(g, "g", { class: m.family });
  const d = `M${x1} ${y1} L${x2} ${end}`;
  const hit = el(arrow, "path", { class: "catch", d, "data-at": m.at, "data-node": m.from });
  const fate = arrives ? ` after ${(m.fate / 1e3).toFixed(2)} ms`
    : m.fate === -1 ? ", not delivered" : ", under way at the end";
  el(hit, "title", {}, `${seconds(m.at, 6)} s  ${nameOf(m.from)} → ${nameOf(m.to)}  ${m.kind} ${m.text}${fate}`);
  el(arrow, "path", { class: classes, d });
  if (m.fate === -1) {
    el(arrow, "path", { class: "cross",
      d: `M${x2 - 3} ${end - 3} l6 6 M${x2 + 3} ${end - 3} l-6 6` });
  } else if (arrives) {
    const angle = Math.atan2(end - y1, x2 - x1) * 180 / Math.PI;
    el(arrow, "path", { class: "head", d: "M0 0 L-6 -2.6 L-6 2.6 Z",
      opacity: m.folded && !near ? 0.45 : 0.9,
      transform: `translate(${x2} ${end}) rotate(${angle})` });
  }
}
