// The panel: a node at a moment, or all of them when none is chosen.
const panel = byId("panel");

function html(parent, name, attributes = {}, text) {
  const node = document.createElement(name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function drawPanel() {
  panel.replaceChildren();
  const t = cursor.t ?? Math.min(Math.round(view.to), run.end);
  if (cursor.node) nodePanel(cursor.node, t);
  else clusterPanel(t);
}

const alive = (state) => (state.up === 0 ? "down" : state.up === 1 ? "starting" : state.role);

function heading(name, part, t) {
  const h2 = html(panel, "h2", {}, name);
  html(h2, "span", { class: "part" }, part);
  html(h2, "time", {}, stamp(t) + " s");
}

function clusterPanel(t) {
  heading("Cluster", "click a lane for one node", t);
  const table = html(panel, "table");
  const head = html(html(table, "thead"), "tr");
  for (const word of ["node", "role", "term", "commit"]) html(head, "th", {}, word);
  const body = html(table, "tbody");
  for (let node = 1; node <= run.nodes; node++) {
    const state = stateAt(node, t);
    const row = html(body, "tr");
    const name = html(row, "td");
    html(name, "span", { class: "dot " + alive(state), style: `--h:${hue(state.term)}` });
    name.append(nameOf(node));
    html(row, "td", {}, alive(state) + (state.paused ? ", paused" : ""));
    html(row, "td", {}, state.up ? state.term : "–");
    html(row, "td", {}, state.up ? state.commit : "–");
    row.addEventListener("click", () => select(cursor.t ?? t, node));
  }
  eventList("Events", run.events.filter((e) => e.kind !== "acked"), t, 12);
}

function nodePanel(node, t) {
  const state = stateAt(node, t);
  const part = state.up === 0 ? "down" : state.up === 1 ? "starting"
    : state.role === "leader" ? `leader of term ${state.term}` : `${state.role}, term ${state.term}`;
  heading(nameOf(node), part + (state.paused ? ", paused" : ""), t);
  const list = html(panel, "dl");
  const row = (name, value) => {
    html(list, "dt", {}, name);
    html(list, "dd", {}, value);
  };
  row("process", state.up === 0 ? (state.life ? `down, was life ${state.life}` : "not started")
    : `life ${state.life}` + (state.paused ? ", stands still" : "")
      + (state.slow ? ", slow disk" : ""));
  if (state.up) {
    row("role", state.role + (state.role === "leader"
      ? (state.quorum ? ", hears a majority" : ", hears no majority") : ""));
    row("term", state.term);
    row("leader", state.leader ? "n" + state.leader : "knows none");
    row("log", `committed to ${state.commit}, ends at ${state.last}`);
    row("incarnation", state.inc);
    row("connected", others(state, node));
  }
  waysOf(node, t, row);
  if (state.up) {
    beliefs(state, node);
    roles(state);
  }
  const own = (e) => e.node === node || (e.node === 0 && e.kind !== "acked" && e.kind !== "stale");
  eventList("Events", run.events.filter(own), t, 8);
  messageList(node, t);
}

function waysOf(node, t, row) {
  const n = run.nodes, { cut } = eraAt(t);
  const others = [...Array(n).keys()].filter((other) => other !== node - 1);
  const names = (list) => list.map((other) => nameOf(other + 1)).join(" ");
  const unheard = others.filter((other) => cut[(node - 1) * n + other]);
  const deaf = others.filter((other) => cut[other * n + node - 1]);
  if (!unheard.length && !deaf.length) return;
  if (names(unheard) === names(deaf)) return row("cut from", names(deaf));
  if (deaf.length) row("hears not", names(deaf));
  if (unheard.length) row("unheard by", names(unheard));
}

// More names than this are counted, and only the exceptions named.
const NAMED_MAX = 12;
const names = (ids) => ids.map((id) => "n" + id).join(" ");

function others(state, me) {
  const links = state.links ?? [];
  if (links.length <= NAMED_MAX) return names(links) || "to nobody";
  const missing = DATA.nodes.filter((id) => id !== DATA.nodes[me - 1] && !links.includes(id));
  return `to ${links.length} nodes`
    + (missing.length && missing.length <= NAMED_MAX ? `, not to ${names(missing)}` : "");
}

const BELIEFS = { a: "alive", s: "suspect", d: "dead", l: "left" };

function beliefs(state, me) {
  html(panel, "h3", {}, "Believes");
  const chips = html(panel, "div", { class: "chips" });
  const known = Object.keys(state).filter((key) => /^m\d+$/.test(key))
    .map((key) => Number(key.slice(1))).sort((a, b) => a - b);
  const them = known.filter((id) => id !== DATA.nodes[me - 1]);
  for (const belief in BELIEFS) {
    const ids = them.filter((id) => state["m" + id] === belief);
    if (ids.length > NAMED_MAX) {
      html(chips, "span", { class: "chip " + belief, title: names(ids) },
        `${ids.length} nodes ${BELIEFS[belief]}`);
      continue;
    }
    for (const id of ids) {
      html(chips, "span", { class: "chip " + belief }, `n${id} ${BELIEFS[belief]}`);
    }
  }
  if (!chips.children.length) html(chips, "span", { class: "empty" }, "knows no other member");
}

function roles(state) {
  const known = Object.keys(state).filter((key) => key.startsWith("r:")).sort();
  if (!known.length) return;
  html(panel, "h3", {}, "Roles it knows");
  const list = html(panel, "dl", { style: "margin-top:2px" });
  for (const key of known) {
    const [holder, epoch] = state[key];
    html(list, "dt", {}, key.slice(2));
    html(list, "dd", {}, `${holder ?? "nobody"}, epoch ${epoch}`);
  }
}

function listed(title, items, draw) {
  html(panel, "h3", {}, title);
  if (!items.length) return html(panel, "p", { class: "empty" }, "none yet");
  const list = html(panel, "ol");
  for (const item of items) draw(html(list, "li"), item);
}

function eventList(title, events, t, before) {
  const last = lastAt(events.map((e) => e.at), t);
  const items = events.slice(Math.max(0, last - before + 1), last + 4);
  listed(title, items, (li, event) => {
    html(li, "time", {}, seconds(event.at));
    const who = event.node && event.node !== cursor.node ? nameOf(event.node) + " " : "";
    html(li, "span", {}, who + event.text);
    if (event.at === t) li.classList.add("now");
    if (event.at > t) li.classList.add("later");
    if (event.kind === "violation") li.classList.add("bad");
    li.addEventListener("click", () => select(event.at, event.node || cursor.node));
  });
}

function messageList(node, t) {
  const moment = (m) => (m.to === node ? m.at + m.fate : m.at);
  const own = [];
  const reach = 5e6;
  for (let i = lastAt(run.messages.map((m) => m.at), t); i >= 0 && own.length < 40; i--) {
    const m = run.messages[i];
    if (m.at < t - reach) break;
    if (m.from === node || (m.to === node && m.fate >= 0 && moment(m) <= t)) own.push(m);
  }
  own.sort((a, b) => moment(a) - moment(b));
  listed("Last messages", own.slice(-8), (li, m) => {
    html(li, "time", {}, seconds(moment(m)));
    const way = m.to === node ? `← ${nameOf(m.from)}` : `→ ${nameOf(m.to)}`;
    const lost = m.fate === -1 ? " (not delivered)" : m.fate === -2 ? " (under way)" : "";
    html(li, "span", {}, `${way} ${m.kind} ${m.text}${lost}`);
    li.addEventListener("click", () => select(moment(m), node));
  });
}
