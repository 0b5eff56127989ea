// The run: what the data mean, without any drawing. Moments are microseconds.
const DATA = JSON.parse(document.getElementById("data").textContent);

const run = (() => {
  const moments = (distances) => {
    let at = 0;
    return distances.map((distance) => (at += distance));
  };
  const lanes = DATA.lanes.map((lane, index) => ({
    node: index + 1,
    at: moments(lane.at),
    changes: lane.changes,
    keys: [],
  }));
  const column = DATA.events;
  const events = moments(column.at).map((at, i) => ({
    at, node: column.node[i], kind: column.kind[i], text: column.text[i], order: i,
  }));
  if (DATA.violation) {
    const { at, checker, what } = DATA.violation;
    events.push({ at, node: 0, kind: "violation", text: checker + ": " + what, order: 1e9 });
  }
  // A fault is told before what it does at the same moment.
  const rank = (event) => (event.kind === "fault" || event.kind === "heal" ? 0 : 1);
  events.sort((a, b) => a.at - b.at || rank(a) - rank(b) || a.order - b.order);
  const m = DATA.messages;
  const messages = moments(m.at).map((at, i) => ({
    at, from: m.from[i], to: m.to[i], kind: DATA.kinds[m.kind[i]][0],
    family: DATA.kinds[m.kind[i]][1], folded: m.folded[i] === 1, fate: m.fate[i],
    text: m.text[i],
  }));
  return { lanes, events, messages, end: Math.max(DATA.end, 1), nodes: lanes.length };
})();

// The index of the last moment that is not after t; -1 before the first.
function lastAt(moments, t) {
  let low = 0, high = moments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (moments[middle] <= t) low = middle + 1; else high = middle;
  }
  return low - 1;
}

const EMPTY = { up: 0, life: 0, term: 0, role: "", leader: null, commit: 0, last: 0 };

function fold(state, changes) {
  for (const key in changes) {
    if (changes[key] === null && key !== "leader") delete state[key];
    else state[key] = changes[key];
  }
  return state;
}

// The whole state of a node at a moment; every 64th state is kept.
function stateAt(node, t) {
  const lane = run.lanes[node - 1];
  const index = lastAt(lane.at, t);
  if (index < 0) return { ...EMPTY };
  const key = index >> 6;
  while (lane.keys.length <= key) {
    const done = lane.keys.length;
    const state = done ? { ...lane.keys[done - 1] } : { ...EMPTY };
    for (let i = Math.max(0, (done - 1) * 64 + 1); i <= done * 64; i++) fold(state, lane.changes[i]);
    lane.keys.push(state);
  }
  const state = { ...lane.keys[key] };
  for (let i = key * 64 + 1; i <= index; i++) fold(state, lane.changes[i]);
  return state;
}

// Stretches of a lane that look the same, and the moments its leader's commit grew.
const stretches = run.lanes.map((lane) => {
  const parts = [], commits = [];
  const state = { ...EMPTY };
  lane.changes.forEach((changes, i) => {
    fold(state, changes);
    const at = lane.at[i];
    if ("commit" in changes && state.role === "leader") commits.push([at, state.commit]);
    const look = state.up === 0 ? "down" : state.up === 1 ? "starting" : state.role;
    const { term, paused, slow } = state;
    const before = parts[parts.length - 1];
    const same = before && before.look === look && before.term === term
      && before.paused === paused && before.slow === slow;
    if (!same) {
      if (before) before.to = at;
      parts.push({ from: at, to: run.end, look, term, paused, slow });
    }
  });
  return { parts, commits };
});

// Eras of the network: which ways are cut, and who can hear each other.
const eras = (() => {
  const n = run.nodes;
  const list = [];
  let cut = new Uint8Array(n * n);
  const begin = (at) => {
    const before = list[list.length - 1];
    if (before && before.from === at) list.pop();
    else if (before) before.to = at;
    list.push({ from: at, to: run.end, cut: cut.slice(), group: groups(cut, n),
      any: cut.some((way) => way === 1) });
  };
  begin(0);
  let i = 0;
  while (i < DATA.cuts.length) {
    const at = DATA.cuts[i][0];
    for (; i < DATA.cuts.length && DATA.cuts[i][0] === at; i++) {
      const [, from, to, on] = DATA.cuts[i];
      cut[(from - 1) * n + to - 1] = on;
    }
    begin(at);
  }
  return list;
})();

function groups(cut, n) {
  const group = new Array(n).fill(-1);
  let next = 0;
  for (let first = 0; first < n; first++) {
    if (group[first] >= 0) continue;
    const open = [first];
    group[first] = next;
    while (open.length) {
      const node = open.pop();
      for (let other = 0; other < n; other++) {
        const apart = cut[node * n + other] || cut[other * n + node];
        if (group[other] < 0 && !apart) {
          group[other] = next;
          open.push(other);
        }
      }
    }
    next++;
  }
  return next > 1 ? group : null;
}

function eraAt(t) {
  return eras[Math.max(0, lastAt(eras.map((era) => era.from), t))];
}

// The moments to step through: everything told, but not each single acknowledgement.
const steps = [...new Set(run.events.filter((e) => e.kind !== "acked").map((e) => e.at))];

// Each grant of a role, at the moment the first node knew it.
const grants = (() => {
  const seen = new Map();
  run.lanes.forEach((lane) => lane.changes.forEach((changes, i) => {
    for (const key in changes) {
      if (!key.startsWith("r:") || !changes[key]) continue;
      const [holder, epoch] = changes[key];
      const id = key + " " + epoch;
      const at = lane.at[i];
      const known = seen.get(id);
      if (!known || at < known.at) seen.set(id, { at, role: key.slice(2), holder, epoch });
    }
  }));
  return [...seen.values()].sort((a, b) => a.at - b.at);
})();

// A lane is a number from 1; what people and nodes call it is its node's name.
const nameOf = (lane) => "n" + DATA.nodes[lane - 1];
const laneOf = (id) => DATA.nodes.indexOf(id) + 1;
const nodeOf = (peer) => (peer ? laneOf(Number(/^n(\d+)/.exec(peer)?.[1] ?? 0)) : 0);
// Neighbouring terms differ; no term is red, which is for what is wrong.
const hue = (term) => Math.round(55 + (term * 0.618034 % 1) * 280);
const seconds = (t, digits = 3) => (t / 1e6).toFixed(digits);
// As exact as the moment is: milliseconds where they are enough.
const stamp = (t) => seconds(t, t % 1000 ? 6 : 3);
