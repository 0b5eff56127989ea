// The diagram: lanes over time. Everything is drawn anew whenever the view changes.
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const diagram = byId("diagram");

function el(parent, name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

const view = { from: DATA.window[0], to: DATA.window[1] };
const cursor = { t: null, node: 0 };
let routine = false;

const THICK = { leader: 24, candidate: 18, "pre-candidate": 18, follower: 12, learner: 8,
  down: 12, starting: 12 };
const box = { left: 74, right: 14, axis: 24, faults: 44, lane: 24, pitch: 72, scale: 1,
  dense: false, clients: 30 };

function layout() {
  box.width = Math.max(360, diagram.parentElement.clientWidth - 28);
  const room = Math.max(300, window.innerHeight - 330 - box.axis - box.faults - box.clients);
  // Many nodes share the window: their lanes get thin and lose their small print.
  box.pitch = Math.min(96, Math.max(run.nodes > 12 ? 15 : 46, room / run.nodes));
  box.scale = Math.min(1, box.pitch / 46);
  box.dense = box.scale < 0.8;
  box.top = box.axis + box.faults;
  box.bottom = box.top + run.nodes * box.pitch;
  box.height = box.bottom + box.clients;
}

const laneY = (node) => box.top + (node - 0.5) * box.pitch;
const xOf = (t) => box.left
  + (t - view.from) / (view.to - view.from) * (box.width - box.left - box.right);
const tOf = (x) => view.from
  + (x - box.left) / (box.width - box.left - box.right) * (view.to - view.from);
const span = () => view.to - view.from;
const inView = (t) => t >= view.from && t <= view.to;
// A stretch's left and right edge on the page, or null when it is out of sight.
function edges(from, to) {
  if (to < view.from || from > view.to) return null;
  return [Math.max(box.left, xOf(from)), Math.min(box.width - box.right, xOf(to))];
}

function draw() {
  layout();
  diagram.replaceChildren();
  diagram.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  diagram.style.height = box.height + "px";
  drawPatterns();
  drawAxis();
  drawGaps();
  drawLanes();
  const told = drawMessages();
  drawFaults();
  drawMarks();
  drawClients();
  drawCursor();
  drawViolation();
  drawOverview();
  byId("note").textContent = told;
}

function drawPatterns() {
  const defs = el(diagram, "defs");
  const pattern = (id, size, angle, stroke, width, opacity = 1) => {
    const p = el(defs, "pattern", { id, width: size, height: size,
      patternUnits: "userSpaceOnUse", patternTransform: `rotate(${angle})` });
    el(p, "rect", { width: size, height: size, fill: id === "hatch" ? "var(--down)" : "none",
      "fill-opacity": 0.55 });
    el(p, "line", { x1: 0, y1: 0, x2: 0, y2: size, stroke, "stroke-width": width,
      "stroke-opacity": opacity });
  };
  pattern("hatch", 6, 45, "var(--down-line)", 1.4, 0.8);
  pattern("stripes", 8, 0, "var(--stripe)", 5);
  pattern("cutboth", 9, 45, "var(--cut)", 6, 0.17);
  pattern("cutone", 9, 45, "var(--cut)", 1.6, 0.34);
  const clip = el(defs, "clipPath", { id: "plot" });
  el(clip, "rect", { x: box.left, y: 0, width: box.width - box.left - box.right,
    height: box.height });
}

function drawAxis() {
  const wanted = span() / Math.max(2, (box.width - box.left) / 110);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= wanted);
  const digits = Math.max(0, Math.ceil(6 - Math.log10(step) - 1e-9));
  for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
    const x = xOf(t);
    el(diagram, "line", { class: "grid", x1: x, x2: x, y1: box.axis - 4, y2: box.height });
    const isHidden = cursor.t !== null && Math.abs(x - xOf(cursor.t)) < 58;
    if (isHidden || x > box.width - 22) continue;
    el(diagram, "text", { class: "axis", x, y: 13, "text-anchor": "middle" },
      seconds(t, digits) + " s");
  }
}

// What is cut between two lanes that are neighbours: hatched, both ways more than one.
function drawGaps() {
  const n = run.nodes;
  const plot = el(diagram, "g", { "clip-path": "url(#plot)" });
  for (let node = 1; node < n; node++) {
    const kindIn = (era) => 2 * era.cut[(node - 1) * n + node] + era.cut[node * n + node - 1];
    const y = laneY(node) + 15 * box.scale, height = box.pitch - 30 * box.scale;
    for (const part of runs(eras, kindIn)) {
      const at = part.value && edges(part.from, part.to);
      if (!at) continue;
      const width = Math.max(1, at[1] - at[0]);
      el(plot, "rect", { class: part.value === 3 ? "gap both" : "gap one", x: at[0], y, width,
        height });
      for (const edge of [part.from, part.to]) {
        if (inView(edge)) el(plot, "line", { class: "gapedge", x1: xOf(edge), x2: xOf(edge), y1: y,
          y2: y + height });
      }
      if (part.value < 3 && width > 90 && height > 14) {
        const [from, to] = part.value === 2 ? [node, node + 1] : [node + 1, node];
        el(plot, "text", { class: "gaplabel", x: at[0] + 6, y: y + 12 }, `${nameOf(from)} ↛ ${nameOf(to)}`);
      }
    }
  }
}

// Neighbouring items of one value, as one.
function runs(items, valueOf) {
  const parts = [];
  for (const item of items) {
    const value = valueOf(item);
    const before = parts[parts.length - 1];
    if (before && before.value === value) before.to = item.to;
    else parts.push({ from: item.from, to: item.to, value });
  }
  return parts;
}

function drawLanes() {
  for (let node = 1; node <= run.nodes; node++) {
    const y = laneY(node);
    const selected = cursor.node === node;
    const g = el(diagram, "g", { class: "lane", "data-node": node });
    if (selected) el(g, "rect", { class: "chosen", x: 0, y: y - box.pitch / 2,
      width: box.width, height: box.pitch });
    el(g, "line", { class: "rail", x1: box.left, x2: box.width - box.right, y1: y, y2: y });
    const plot = el(g, "g", { "clip-path": "url(#plot)" });
    for (const part of stretches[node - 1].parts) drawStretch(plot, part, y);
    drawSides(plot, node, y);
    el(g, "text", { class: (selected ? "nodename selected" : "nodename")
      + (box.dense ? " dense" : ""), x: 4, y: box.dense ? y + 4 : y + 1 }, nameOf(node));
    if (!box.dense) el(g, "text", { class: "nodepart", x: 4, y: y + 14 },
      DATA.voters.includes(DATA.nodes[node - 1]) ? "voter" : "learner");
    const hit = Math.min(30, box.pitch);
    el(g, "rect", { class: "hit", x: 0, y: y - hit / 2, width: box.width, height: hit });
  }
}

function drawStretch(plot, part, y) {
  const at = edges(part.from, part.to);
  if (!at) return;
  const height = (THICK[part.look] ?? 12) * box.scale;
  const width = Math.max(1.5, at[1] - at[0] - (at[1] - at[0] > 6 ? 1 : 0));
  const style = `--h:${hue(part.term)}`;
  const shape = { x: at[0], y: y - height / 2, width, height, rx: Math.min(3, width / 2) };
  el(plot, "rect", { class: "seg " + part.look, style, ...shape });
  if (part.paused && part.look !== "down") {
    el(plot, "rect", { class: "paused", ...shape, y: y - 12 * box.scale,
      height: 24 * box.scale });
  }
  if (part.slow) {
    el(plot, "line", { class: "slow", x1: at[0] + 2, x2: at[0] + width,
      y1: y + 15 * box.scale, y2: y + 15 * box.scale });
  }
  const words = part.look === "down" ? ["down"]
    : part.look === "follower" ? ["follower · term " + part.term, "t" + part.term]
    : [part.look + " · term " + part.term, "t" + part.term];
  // A mark may stand where a stretch begins.
  const indent = at[0] > box.left + 1 ? 11 : 7;
  const fits = words.find((word) => width > word.length * 5.6 + indent + 5);
  if (!fits || height < 12 || part.paused || box.dense) return;
  el(plot, "text", { class: "seglabel " + part.look, x: at[0] + indent, y: y + 3.7 }, fits);
}

// A strip under a lane says which side of a partition it is on.
function drawSides(plot, node, y) {
  for (const part of runs(eras, (era) => (era.group ? era.group[node - 1] : -1))) {
    const at = part.value >= 0 && edges(part.from, part.to);
    if (!at) continue;
    const width = Math.max(1, at[1] - at[0] - 1);
    el(plot, "rect", { class: "side", x: at[0], y: y + 17 * box.scale, width,
      height: 3 * box.scale,
      fill: `oklch(.68 .1 ${(part.value * 97 + 30) % 360})` });
    if (width > 24 && !box.dense) {
      const letter = String.fromCharCode(65 + part.value % 26);
      el(plot, "text", { class: "nodepart", x: at[0] + 3, y: y + 29 }, letter);
    }
  }
}

// Flags over the lanes, in two rows; a flag without room keeps its line and loses its words.
function drawFaults() {
  const free = [box.left, box.left];
  const told = run.events.filter((e) => (e.kind === "fault" || e.kind === "heal") && inView(e.at));
  for (const event of told) {
    const x = xOf(event.at);
    const row = free.findIndex((end) => end <= x);
    const g = el(diagram, "g", { class: event.kind });
    el(g, "line", { class: "faultline", x1: x, x2: x, y1: box.axis, y2: box.bottom });
    const y = box.axis + 6 + Math.max(0, row) * 18;
    el(g, "path", { class: "faultflag", d: `M${x} ${y} l7 4 l-7 4 z` });
    el(g, "title", {}, seconds(event.at) + " s " + event.text);
    if (row < 0) continue;
    const label = el(g, "text", { class: "faulttext", x: x + 10, y: y + 8 }, event.text);
    const width = label.getComputedTextLength() + 16;
    free[row] = x + width;
    if (x + width <= box.width) continue;
    const before = x - width > box.left;
    label.setAttribute("x", before ? x - 5 : box.width - 4);
    label.setAttribute("text-anchor", "end");
  }
}

const GLYPHS = {
  crash: ["M-3 -3 L3 3 M3 -3 L-3 3", 7], start: ["M-2 -3.4 L3.2 0 L-2 3.4 Z", 7],
  stop: ["M-2.4 -2.4 H2.4 V2.4 H-2.4 Z", 7],
  pause: ["M-2 -3 V3 M2 -3 V3", 6.5], resume: ["M-2 -3.4 L3.2 0 L-2 3.4 Z", 6.5],
};

function drawMarks() {
  const g = el(diagram, "g", { "clip-path": "url(#plot)", "pointer-events": "none" });
  if (span() <= 8e6) drawCommits(g);
  const size = Math.max(0.6, box.scale);
  for (const event of run.events) {
    if (!event.node || !inView(event.at)) continue;
    const x = xOf(event.at), y = laneY(event.node);
    const glyph = GLYPHS[event.kind];
    if (glyph) {
      el(g, "circle", { class: "mark " + event.kind, cx: x, cy: y, r: glyph[1] * size });
      el(g, "path", { class: "markline", d: glyph[0],
        transform: `translate(${x} ${y}) scale(${size})` });
    } else if (span() < 12e6 && event.kind === "member_suspected") {
      el(g, "circle", { class: "mark suspect", cx: x, cy: y - 15 * box.scale, r: 3.2 * size });
    } else if (span() < 12e6 && event.kind === "member_died") {
      el(g, "circle", { class: "mark died", cx: x, cy: y - 15 * box.scale, r: 3.2 * size });
    }
  }
  const free = [];
  for (const grant of grants) {
    const node = nodeOf(grant.holder);
    if (!node || !inView(grant.at)) continue;
    const x = xOf(grant.at), y = laneY(node) - 18 * box.scale;
    el(g, "path", { class: "grant", d: `M${x} ${y - 5} l5 5 l-5 5 l-5 -5 z` });
    if (x < free[node]) continue;
    const label = el(g, "text", { class: "grantlabel", x: x + 8, y: y + 4 },
      `${grant.role} e${grant.epoch}`);
    free[node] = x + label.getComputedTextLength() + 16;
  }
}

function drawCommits(g) {
  stretches.forEach(({ commits }, i) => {
    const y = laneY(i + 1);
    for (const [at, commit] of commits) {
      if (!inView(at)) continue;
      const x = xOf(at), term = stateAt(i + 1, at).term;
      el(g, "line", { class: "commit", style: `--h:${hue(term)}`, x1: x, x2: x,
        y1: y - 17 * box.scale, y2: y - 12 * box.scale }).dataset.commit = commit;
    }
  });
}

// What the clients were told: the gaps in it are what an outage costs.
function drawClients() {
  const y = box.bottom + 8;
  el(diagram, "text", { class: "nodename", x: 4, y: y + 10, style: "font-size:12px" }, "clients");
  const g = el(diagram, "g", { "clip-path": "url(#plot)" });
  el(g, "line", { class: "rail", x1: box.left, x2: box.width, y1: y + 6, y2: y + 6 });
  for (const event of run.events) {
    if (!inView(event.at) || (event.kind !== "acked" && event.kind !== "stale")) continue;
    const x = xOf(event.at);
    el(g, "line", { class: event.kind, x1: x, x2: x, y1: y - 1, y2: y + 13 });
  }
}

function drawCursor() {
  if (cursor.t === null || !inView(cursor.t)) return;
  const x = xOf(cursor.t);
  const g = el(diagram, "g", { "pointer-events": "none" });
  el(g, "line", { class: "cursor", x1: x, x2: x, y1: 18, y2: box.height });
  const left = Math.min(Math.max(x, box.left + 32), box.width - 34);
  el(g, "rect", { class: "cursorbox", x: left - 32, y: 1, width: 64, height: 18, rx: 5 });
  el(g, "text", { class: "cursortext", x: left, y: 14, "text-anchor": "middle" },
    seconds(cursor.t) + " s");
  if (cursor.node) {
    el(g, "circle", { class: "cursordot", cx: x, cy: laneY(cursor.node), r: 5.5 });
  }
}

// The nodes a violation names; the checkers call them n1, n2 and so on.
function accused() {
  const names = [...(DATA.violation?.what ?? "").matchAll(/\bn(\d+)\b/g)].map((m) => laneOf(Number(m[1])));
  return [...new Set(names)].filter((lane) => lane > 0);
}

function drawViolation() {
  const broken = DATA.violation;
  if (!broken || !inView(broken.at)) return;
  const x = xOf(broken.at);
  const g = el(diagram, "g", { class: "violation", "pointer-events": "none" });
  el(g, "line", { class: "pinline", x1: x, x2: x, y1: box.axis, y2: box.height });
  for (const node of accused()) {
    const y = laneY(node);
    el(g, "path", { class: "pin", d: `M${x} ${y} c-3 -6 -8 -8 -8 -14 a8 8 0 0 1 16 0 `
      + "c0 6 -5 8 -8 14 z" });
    el(g, "circle", { cx: x, cy: y - 14, r: 2.8, fill: "var(--card)" });
  }
  const y = box.axis + box.faults - 14;
  const around = el(g, "rect", { class: "pinbox", y: y - 6, height: 20, rx: 5 });
  const label = el(g, "text", { class: "pintext", y: y + 8, "text-anchor": "middle" },
    broken.checker + ": " + broken.what);
  const width = fit(label, box.width - box.left - box.right - 18) + 18;
  const left = Math.max(box.left, Math.min(x - width / 2, box.width - box.right - width));
  around.setAttribute("x", left);
  around.setAttribute("width", width);
  label.setAttribute("x", left + width / 2);
}

// The width of a text, after it was shortened to fit.
function fit(label, most) {
  const words = label.textContent;
  for (let left = words.length; label.getComputedTextLength() > most && left > 4; left -= 4) {
    label.textContent = words.slice(0, left - 4) + "…";
  }
  return label.getComputedTextLength();
}

// The whole run: who led, what was cut, and the frame of what is shown below.
function drawOverview() {
  const map = byId("overview");
  const width = Math.max(300, map.clientWidth || 1000);
  map.setAttribute("viewBox", `0 0 ${width} 40`);
  map.setAttribute("preserveAspectRatio", "none");
  map.replaceChildren();
  const x = (t) => t / run.end * width;
  el(map, "rect", { class: "mini", x: 0, y: 8, width, height: 20, rx: 4 });
  for (const { parts } of stretches) {
    for (const part of parts.filter((p) => p.look === "leader")) {
      el(map, "rect", { class: "seg leader", style: `--h:${hue(part.term)};opacity:.8`,
        x: x(part.from), y: 10, width: Math.max(1, x(part.to) - x(part.from)), height: 16 });
    }
  }
  for (const part of runs(eras, (era) => era.any)) {
    if (part.value) el(map, "rect", { class: "minicut", x: x(part.from), y: 28,
      width: x(part.to) - x(part.from), height: 5 });
  }
  for (const event of run.events.filter((e) => e.kind === "fault" || e.kind === "crash")) {
    el(map, "line", { class: "minitick", x1: x(event.at), x2: x(event.at), y1: 28, y2: 36 });
  }
  if (DATA.violation) {
    const at = Math.min(width - 1.5, x(DATA.violation.at));
    el(map, "line", { class: "pinline", x1: at, x2: at, y1: 2, y2: 38 });
  }
  const [from, to] = [Math.max(0, x(view.from)), Math.min(width, x(view.to))];
  el(map, "rect", { class: "frame", x: from + 0.5, y: 2.5, width: Math.max(3, to - from - 1),
    height: 35, rx: 4 });
}
