"use strict";

// What the page shows comes as scripts, which a browser also loads from disk; each hands its
// content over by zscData. What is done by hand is a list of actions: the clusters shown are those
// of the view with the actions done to them in turn, so that undoing is leaving the last one out.

const FACTS = JSON.parse(document.getElementById("facts").textContent);
const [FIRST, LAST, MORE, FEW] = [40, 12, 200, 60];
const GREY = "#9a9a9a";

let images; // names, thumbnails, labels, duplicates
let view; // facts of the clustering that is shown, with its arrays
let space; // of its encoder: plane, neighbours
let actions = []; // what was done by hand
let now = null; // what came of it: clusters, names, accepted, members
let selected = -1;
const marked = new Set();

// ---- Small helpers

const byId = id => document.getElementById(id);

/** Make an element; text comes in as text nodes alone, so that no name is ever read as HTML. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

const button = (text, click, properties = {}) =>
  make("button", { type: "button", click, ...properties }, text);
const plural = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
const folded = text => text.normalize("NFC").toLowerCase();
const say = text => (byId("status").textContent = text);

const loading = new Map();
window.zscData = value => (document.currentScript.content = value);

/** Load a file that lies beside the page; give what it handed over. */
function load(file) {
  if (!loading.has(file)) {
    loading.set(file, new Promise((resolve, reject) => {
      const failed = () => reject(new Error(`${FACTS.beside}/${file} is not there`));
      const done = event => resolve(event.target.content);
      document.head.append(make("script", { src: `${FACTS.beside}/${file}`, load: done, error: failed }));
    }));
  }
  return loading.get(file);
}

/** Read an array from the base64 of its bytes. */
function unpacked(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
}

/** Keep something in the browser, where it lets a page from disk do so. */
const kept = {
  get(key) { try { return JSON.parse(localStorage.getItem(`zsc-${key}`)); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(`zsc-${key}`, JSON.stringify(value)); } catch { /* memory alone */ } },
};

// ---- What is done by hand

const DO = {
  move: (state, { images, to }) => images.forEach(i => (state.clusters[i] = to)),
  merge(state, { from, to }) {
    state.clusters.forEach((c, i) => { if (c === from) state.clusters[i] = to; });
    for (const names of [state.names, state.accepted]) names.delete(from);
  },
  rename: (state, { cluster, name }) =>
    name ? state.names.set(cluster, name) : state.names.delete(cluster),
  accept: (state, { cluster, yes }) => state.accepted[yes ? "add" : "delete"](cluster),
};

/** Say what an action does, for the button that undoes it. */
function described({ kind, images, from, to, cluster, name, yes }) {
  const called = c => (c < 0 ? "left out" : label(c));
  if (kind === "move") return `${plural(images.length, "image")} moved to ${called(to)}`;
  if (kind === "merge") return `${from} merged into ${called(to)}`;
  if (kind === "rename") return name ? `${cluster} renamed ${name}` : `${cluster} without a name`;
  return `${called(cluster)} ${yes ? "accepted" : "not accepted"}`;
}

function replayed() {
  const state = { clusters: view.clusters.slice(), names: new Map(), accepted: new Set() };
  for (const action of actions) DO[action.kind](state, action);
  state.members = new Map();
  state.clusters.forEach((c, i) => {
    if (!state.members.has(c)) state.members.set(c, []);
    state.members.get(c).push(i);
  });
  // The cluster's own come first, by their distance to its medoid; then those moved into it.
  const { clusters, toMedoid } = view;
  const far = i => (Number.isNaN(toMedoid[i]) ? Infinity : toMedoid[i]);
  for (const [c, members] of state.members) {
    const foreign = i => Number(clusters[i] !== c);
    members.sort((a, b) => foreign(a) - foreign(b) || (far(a) === far(b) ? a - b : far(a) - far(b)));
  }
  return state;
}

/** Do something by hand, or undo the last thing, and show what came of it. */
function act(action) {
  const undone = action ? null : actions.pop();
  const text = undone && `Undone: ${described(undone)}`;
  if (action) actions.push(action);
  kept.set(view.key, actions);
  now = replayed();
  showClusters();
  say(text ?? described(action));
}

const label = c => now.names.get(c) ?? String(c);
const title = c => (c < 0 ? "Left out" : now.names.get(c) ?? `Cluster ${c}`);
const present = () => [...now.members.keys()].filter(c => c >= 0).sort((a, b) => a - b);
/** The number of a new cluster: none that was ever given, for it may have a name. */
const unused = () => actions.reduce((most, { to = 0 }) => Math.max(most, to + 1),
  view.clusters.reduce((most, c) => Math.max(most, c + 1), 0));
const color = c => (c < 0 ? GREY : FACTS.palette[c % FACTS.palette.length]);

/** Write the labels as CSV (RFC 4180); those of images in no cluster are empty. */
function asCsv(acceptedOnly) {
  const field = text => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = [["path", "label"]];
  images.names.forEach((name, i) => {
    const c = now.clusters[i];
    if (!acceptedOnly || now.accepted.has(c)) rows.push([name, c < 0 ? "" : label(c)]);
  });
  return rows.map(row => row.map(field).join(",") + "\r\n").join("");
}

function exportCsv() {
  const blob = new Blob([asCsv(byId("accepted-only").checked)], { type: "text/csv" });
  const link = make("a", { href: URL.createObjectURL(blob), download: "labels.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say("labels.csv is exported");
}

// ---- Sheets of images

/** The thumbnail of an image, if it could be read. */
const address = i => images.thumbnails[i]
  ? `${FACTS.beside}/${FACTS.thumbnails}/${images.thumbnails[i]}.jpg` : null;
const picture = i => make("img", { src: address(i), loading: "lazy", decoding: "async", alt: "" });

const strange = i => view.silhouettes[i] < 0 && now.clusters[i] === view.clusters[i];
const spoken = i =>
  images.names[i] + (strange(i) ? ", nearer to another cluster" : "") + (marked.has(i) ? ", marked" : "");

function tile(i, caption = "") {
  const looks = ["tile", strange(i) && "strange", marked.has(i) && "marked"].filter(Boolean).join(" ");
  return make("li", {}, make("button", {
    type: "button", class: looks, tabindex: -1, title: images.names[i], "data-image": i,
    "aria-label": spoken(i), "aria-current": i === selected && "true",
  }, picture(i), caption && make("span", {}, caption)));
}

const tilesOf = i => document.querySelectorAll(`.tile[data-image="${i}"]`);

/** Fill a sheet: of many images the first and the last, and a button for those between. */
function fillSheet(sheet, members, named = false) {
  const caption = i => (named ? images.names[i].split("/").pop() : "");
  const items = some => some.map(i => tile(i, caption(i)));
  const many = members.length > FEW;
  const rest = many ? members.slice(FIRST, -LAST) : [];
  const more = make("li", {}, button("", () => {
    const next = items(rest.splice(0, MORE));
    more.before(...next);
    next[0].firstChild.focus();
    count();
  }, { class: "more" }));
  const count = () => {
    more.firstChild.textContent = `+ ${rest.length.toLocaleString("en")}`;
    more.firstChild.setAttribute("aria-label", `Show more of ${plural(rest.length, "image")}`);
    if (!rest.length) more.remove();
  };
  sheet.replaceChildren(...items(many ? members.slice(0, FIRST) : members));
  if (many) sheet.append(more, ...items(members.slice(-LAST)));
  count();
  sheet.querySelector(".tile")?.setAttribute("tabindex", 0);
}

/** Move within a sheet by arrow keys; only one image of it is in the order of Tab. */
function moveInSheet(event) {
  const tile = event.target.closest?.(".tile");
  const tiles = tile ? [...tile.closest(".sheet").querySelectorAll(".tile")] : [];
  const columns = tiles.filter(other => other.offsetTop === tiles[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
    Home: -tiles.length, End: tiles.length }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const place = tiles.indexOf(tile) + step;
  const ends = event.key === "Home" || event.key === "End";
  const next = tiles[ends ? Math.min(Math.max(place, 0), tiles.length - 1) : place];
  next?.focus();
  if (next && !byId("panel").hidden && !byId("panel").contains(next)) select(Number(next.dataset.image));
}

function roveTo(tile) {
  for (const other of tile.closest(".sheet").querySelectorAll('.tile[tabindex="0"]')) other.tabIndex = -1;
  tile.tabIndex = 0;
}

/** Mark images to be moved together, or take their marks away. */
function mark(some, yes) {
  for (const i of some) {
    marked[yes ? "add" : "delete"](i);
    for (const tile of tilesOf(i)) {
      tile.classList.toggle("marked", yes);
      tile.setAttribute("aria-label", spoken(i));
    }
  }
  showMarks();
  say(`${plural(marked.size, "image")} marked`);
}

const toggleMark = i => mark([i], !marked.has(i));

/** Mark all images of a sheet from the one that was marked last to this one. */
function markUpTo(tile) {
  const some = [...tile.closest(".sheet").querySelectorAll(".tile")].map(other => Number(other.dataset.image));
  const to = some.indexOf(Number(tile.dataset.image));
  const last = some.indexOf([...marked].at(-1));
  const from = last < 0 ? to : last;
  mark(some.slice(Math.min(from, to), Math.max(from, to) + 1), true);
}

const clearMarks = () => mark([...marked], false);

/** Menu of clusters that images may go to. */
function targets(without, { others = false, name = "Cluster" } = {}) {
  const options = present().filter(c => c !== without).map(c => make("option", { value: c }, title(c)));
  if (others) {
    options.push(make("option", { value: unused() }, "a new cluster"));
    if (without !== -1) options.push(make("option", { value: -1 }, "left out"));
  }
  return make("select", { "aria-label": name }, ...options);
}

function showMarks() {
  const bar = byId("marks");
  bar.hidden = !marked.size;
  if (bar.hidden) return bar.replaceChildren();
  const menu = targets(null, { others: true, name: "Move marked images to" });
  const move = () => {
    const moved = [...marked].sort((a, b) => a - b);
    clearMarks();
    act({ kind: "move", images: moved, to: Number(menu.value) });
  };
  bar.replaceChildren(make("span", {}, `${plural(marked.size, "image")} marked. Move to`), menu,
    button("Move", move, { class: "main" }), button("Clear", clearMarks));
}

// ---- Sections of clusters

const shells = new Map(); // cluster: its section
const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) fill(entry.target);
}, { rootMargin: "800px" });

/** Fill a section when it comes near; until then it is a heading. */
function whenNear(section, filler) {
  section.filler = filler;
  watcher.observe(section);
}

function fill(section) {
  watcher.unobserve(section);
  section.classList.add("filled");
  section.filler?.();
  section.filler = null;
}

/** The mean silhouette of a cluster's own images: those moved into it were measured elsewhere. */
function distinctness(c) {
  const own = now.members.get(c).filter(i => view.clusters[i] === c && Number.isFinite(view.silhouettes[i]));
  return own.reduce((sum, i) => sum + view.silhouettes[i], 0) / own.length;
}

/** Count things: each with its number, the commonest first. */
function counted(things) {
  const counts = new Map();
  for (const thing of things) counts.set(thing, (counts.get(thing) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

const classesOf = members => counted(members.map(i => images.labels[i]).filter(Boolean));

/** Say how large a cluster is, how distinct, and what it mostly holds. */
function clusterFacts(c) {
  const members = now.members.get(c);
  const parts = [plural(members.length, "image")];
  const distinct = c < 0 ? NaN : distinctness(c);
  if (Number.isFinite(distinct)) parts.push(`silhouette ${distinct.toFixed(2)}`);
  const [first] = images.labels ? classesOf(members) : [];
  if (first) parts.push(`most often ${first[0]} (${Math.round((100 * first[1]) / members.length)} %)`);
  return parts.join(" · ");
}

function clusterButtons(c) {
  const accepted = now.accepted.has(c);
  return make("div", { class: "buttons" },
    button(accepted ? "✓ Accepted" : "Accept", () => act({ kind: "accept", cluster: c, yes: !accepted }),
      { "aria-pressed": String(accepted), "data-do": "accept", "aria-label": `Accept ${title(c)}` }),
    button("Rename", () => askName(c), { "data-do": "rename", "aria-label": `Rename ${title(c)}` }),
    button("Merge", () => askMerge(c),
      { "data-do": "merge", "aria-label": `Merge ${title(c)}`, disabled: present().length < 2 }));
}

function fillCluster(section, c) {
  const heading = make("h3", { id: `cluster-${c}`, tabindex: -1 },
    make("i", { class: "swatch", style: `--color: ${color(c)}` }), title(c),
    now.names.has(c) ? make("small", {}, String(c)) : null);
  const sheet = make("ul", { class: "sheet" });
  section.replaceChildren(make("div", { class: "head" }, heading, make("span", { class: "quiet" }, clusterFacts(c)),
    c >= 0 ? clusterButtons(c) : null), sheet);
  fillSheet(sheet, now.members.get(c));
}

/** Show the sections of clusters: those that changed anew, the others as they stand, so that nothing jumps. */
function showSections(ordered) {
  for (const [c, section] of shells) {
    if (now.members.has(c)) continue;
    shells.delete(c);
    // The place of those left out stays, for others may come.
    if (c < 0) section.replaceChildren();
    else section.remove();
  }
  const outside = byId("outside");
  outside.hidden = !now.members.has(-1);
  const alone = present().length < 2;
  for (const c of now.members.keys()) {
    const known = shells.get(c);
    const section = known
      ?? (c < 0 ? outside : make("section", { class: "cluster", "aria-labelledby": `cluster-${c}` }));
    const looks = [title(c), now.accepted.has(c), alone, now.members.get(c)].join("|");
    shells.set(c, section);
    if (known && section.looks === looks) continue;
    section.looks = looks;
    const filled = section.classList.contains("filled") && known;
    section.classList.toggle("accepted", now.accepted.has(c));
    section.replaceChildren(make("h3", { id: `cluster-${c}`, tabindex: -1 }, title(c)));
    if (filled) fillCluster(section, c);
    else { section.classList.remove("filled"); whenNear(section, () => fillCluster(section, c)); }
  }
  const unplaced = inOrder().filter(c => ordered || !shells.get(c).isConnected);
  byId("clusters")[ordered ? "append" : "prepend"](...unplaced.map(c => shells.get(c)));
}

/** Show clusters and all that tells of them. */
function showClusters(ordered = false) {
  const focus = focusedPlace();
  showSections(ordered);
  const place = byId("jump").value;
  byId("jump").replaceChildren(...present()
    .map(c => make("option", { value: c, selected: String(c) === place }, `${title(c)} (${now.members.get(c).length})`)));
  const last = actions.at(-1);
  byId("undo").disabled = !last;
  byId("undo").title = last ? described(last) : "";
  byId("clusters-head").textContent = plural(present().length, "cluster")
    + (now.accepted.size ? `, ${now.accepted.size} accepted` : "");
  showConfusion();
  showMarks();
  colorMap();
  if (selected >= 0) showPanel();
  returnFocus(focus);
}

function inOrder() {
  const by = {
    size: c => -now.members.get(c).length, sure: c => -distinctness(c) || 0,
    unsure: c => distinctness(c) || 0, number: c => c,
  }[byId("order").value];
  return present().map(c => [by(c), c]).sort((a, b) => a[0] - b[0]).map(pair => pair[1]);
}

/** Remember where the focus is, so that what is drawn anew has it again. */
function focusedPlace() {
  const active = document.activeElement;
  const section = active?.closest(".cluster, #outside, #panel");
  if (!section) return null;
  const cluster = [...shells].find(pair => pair[1] === section)?.[0];
  const next = section.nextElementSibling ?? section.previousElementSibling;
  return { active, cluster, next, does: active.dataset.do, image: active.dataset.image };
}

function returnFocus(place) {
  if (!place || place.active.isConnected) return;
  const section = shells.get(place.cluster) ?? (place.cluster === undefined ? byId("panel") : null);
  const found = section?.querySelector(place.does ? `[data-do="${place.does}"]` : `[data-image="${place.image}"]`);
  const heading = (section ?? place.next)?.querySelector("h3, h2");
  (found ?? heading ?? byId("clusters")).focus({ preventScroll: true });
}

// ---- Questions

/** Ask something in a dialog; `wrong` says what is wrong with an answer, if anything. */
function ask(heading, field, word, done, wrong = () => "") {
  const dialog = byId("ask");
  const answered = event => {
    event.preventDefault();
    field.setCustomValidity(wrong(field.value));
    if (!field.reportValidity()) return;
    // The focus goes back first, to what the answer may draw anew.
    dialog.close();
    done(field.value);
  };
  dialog.replaceChildren(make("form", { submit: answered, novalidate: true },
    make("h2", { id: "ask-title" }, heading), field, make("div", { class: "buttons" },
      make("button", { type: "submit", class: "main" }, word), button("Cancel", () => dialog.close()))));
  dialog.showModal();
  field.focus();
}

function askName(c) {
  const field = make("input", { type: "text", value: now.names.get(c) ?? "", maxlength: 200,
    "aria-label": "Name", placeholder: String(c) });
  const named = text => (text.trim() === String(c) ? "" : text.trim());
  const taken = text => {
    const other = present().find(o => o !== c && label(o) === named(text));
    return other === undefined ? "" : `Cluster ${other} is called so: merge them instead`;
  };
  ask(`Rename ${title(c)}`, field, "Rename", text => act({ kind: "rename", cluster: c, name: named(text) }), taken);
}

function askMerge(c) {
  const menu = targets(c, { name: "Into" });
  // What most of its images nearly were in is what it most likely belongs to.
  const near = counted(now.members.get(c).map(i => view.second[i]))
    .find(([o]) => o >= 0 && o !== c && now.members.has(o));
  if (near) menu.value = near[0];
  ask(`Merge ${title(c)} into`, menu, "Merge", value => act({ kind: "merge", from: c, to: Number(value) }));
}

// ---- The panel of one image

function select(i, focus = false) {
  for (const tile of tilesOf(selected)) tile.removeAttribute("aria-current");
  selected = i;
  for (const tile of tilesOf(i)) tile.setAttribute("aria-current", "true");
  showPanel();
  ringMap();
  if (focus) byId("panel-name").focus();
  const c = now.clusters[i];
  say(`${images.names[i]}, ${title(c)}`);
}

let opener = null;
function closePanel() {
  byId("panel").hidden = true;
  document.body.classList.remove("beside");
  const tiles = [...document.querySelectorAll(`main .tile[data-image="${selected}"]`)];
  const inPanel = byId("panel").contains(document.activeElement) || document.activeElement === document.body;
  for (const tile of tilesOf(selected)) tile.removeAttribute("aria-current");
  selected = -1;
  ringMap();
  if (inPanel) (tiles.find(tile => tile === opener) ?? tiles[0] ?? (opener?.isConnected ? opener : null))?.focus();
}

function clusterLink(c) {
  return make("a", { href: `#cluster-${c}`, click: event => { event.preventDefault(); goTo(c); } },
    make("i", { class: "swatch", style: `--color: ${color(c)}` }), title(c));
}

const fileAddress = i =>
  images.odd[i] ?? images.folder + images.names[i].split("/").map(encodeURIComponent).join("/");

function showPanel() {
  const [i, c] = [selected, now.clusters[selected]];
  // Of a cluster that was merged away, the one that has its medoid now.
  const nearly = view.second[i] < 0 ? -1 : now.members.has(view.second[i]) ? view.second[i]
    : (actions.findLast(a => a.kind === "merge" && a.from === view.second[i])?.to ?? -1);
  const fact = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const number = value => (Number.isFinite(value) ? value.toFixed(2) : "not defined");
  const menu = targets(c, { others: true, name: "Move to" });
  if (nearly >= 0 && nearly !== c) menu.value = nearly;
  const [near, second] = [0, 1].map(() => make("ul", { class: "sheet named" }));
  fillSheet(near, [...space.neighbors.subarray(i * space.each, (i + 1) * space.each)], true);
  if (nearly >= 0 && now.members.has(nearly)) fillSheet(second, now.members.get(nearly).slice(0, 1), true);
  byId("panel").replaceChildren(
    make("div", { class: "head" }, make("h2", { id: "panel-name", tabindex: -1 }, images.names[i]),
      button("×", closePanel, { "aria-label": "Close", class: "close", "data-do": "close" })),
    make("img", { class: "large", src: address(i), alt: `Image ${images.names[i]}` }),
    make("dl", {}, ...fact("Cluster", clusterLink(c)),
      ...(c === view.clusters[i] ? [] : fact("Clustered in", title(view.clusters[i]))),
      ...fact("Silhouette", number(view.silhouettes[i])),
      ...(images.labels ? fact("Class", images.labels[i] || "none") : []),
      ...fact("Distance to medoid", number(view.toMedoid[i]))),
    make("div", { class: "buttons" }, make("span", {}, "Move to"), menu,
      button("Move", () => act({ kind: "move", images: [i], to: Number(menu.value) }),
        { class: "main", "data-do": "move" }),
      button("Mark", () => { toggleMark(i); showPanel(); byId("panel").querySelector('[data-do="mark"]').focus(); },
        { "aria-pressed": String(marked.has(i)), "data-do": "mark" })),
    make("h3", {}, "Nearest images"), near,
    make("h3", {}, "Nearly in"),
    ...(nearly >= 0 ? [make("p", {}, clusterLink(nearly)), second]
      : [make("p", { class: "quiet" }, "No other cluster.")]),
    make("p", {}, make("a", { href: fileAddress(i), target: "_blank", rel: "noopener" }, "Open the file")));
  byId("panel").hidden = false;
  document.body.classList.add("beside");
}

function goTo(c) {
  const section = shells.get(c);
  if (!section) return;
  fill(section);
  section.scrollIntoView();
  section.querySelector("h3").focus({ preventScroll: true });
}

// ---- Overview, confusion, duplicates, search

const MOST_ROWS = 12; // of the ranking, until all are asked for

/** Say in the ranking which clustering is shown. */
function showRanking() {
  for (const row of byId("ranking").querySelectorAll("[data-view]")) {
    const shown = row.dataset.view === byId("view").value;
    const show = row.querySelector("button");
    row.setAttribute("aria-current", String(shown));
    show.textContent = shown ? "Shown" : "Show";
    show.disabled = shown;
  }
}

function listenToRanking() {
  const rows = [...byId("ranking").querySelectorAll("[data-view]")];
  for (const row of rows) {
    row.querySelector("button").addEventListener("click", () => choose(Number(row.dataset.view)));
    row.hidden = Number(row.dataset.view) >= MOST_ROWS;
  }
  const more = button(`All ${rows.length} clusterings`, () => {
    for (const row of rows) row.hidden = false;
    more.remove();
  });
  if (rows.length > MOST_ROWS) byId("ranking").after(more);
}

/** Show how many images of each class are in each cluster: the largest of both. */
function showConfusion() {
  if (!images.labels) return;
  const labelled = images.labels.filter(Boolean);
  const classes = counted(labelled).map(pair => pair[0]);
  const clusters = [...now.members].filter(([c]) => c >= 0).sort((a, b) => b[1].length - a[1].length);
  const [shown, columns] = [clusters.slice(0, 20), classes.slice(0, 15)];
  let inside = 0;
  const rows = shown.map(([c, members]) => {
    const counts = new Map(classesOf(members));
    return make("tr", {}, make("th", { scope: "row" }, clusterLink(c)), ...columns.map(name => {
      const n = counts.get(name) ?? 0;
      inside += n;
      return make("td", { class: "number share", style: `--share: ${n / members.length}` }, n ? String(n) : "");
    }));
  });
  const all = shown.length === clusters.length && columns.length === classes.length;
  const what = all ? "All clusters and classes"
    : `The largest ${shown.length} of ${clusters.length} clusters and ${columns.length} of ${classes.length} classes`;
  byId("confusion").hidden = !classes.length;
  byId("confusion").lastElementChild.replaceChildren(
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Clusters and classes" },
      make("table", { class: "confusion" }, make("thead", {}, make("tr", {}, make("td"),
        ...columns.map(name => make("th", { scope: "col", class: "number" }, name)))), make("tbody", {}, ...rows))),
    make("p", { class: "quiet" }, `${what}: ${inside.toLocaleString("en")} of ${plural(labelled.length, "image")} with a label.`));
}

function showDuplicates() {
  const box = byId("duplicates");
  if (!images.duplicates.length) return box.replaceChildren(make("p", {}, "None were found."));
  const groups = images.duplicates.map(() => make("ul", { class: "sheet named" }));
  const said = `${plural(groups.length, "group")} of images that are the same or nearly so.`;
  box.replaceChildren(make("p", { class: "quiet" }, said), ...groups);
  groups.forEach((sheet, place) => {
    sheet.setAttribute("aria-label", `Duplicates ${place + 1}`);
    whenNear(sheet, () => fillSheet(sheet, images.duplicates[place], true));
  });
}

function search() {
  const wanted = folded(byId("search").value);
  byId("found").hidden = !wanted;
  if (!wanted) return;
  images.folded ??= images.names.map(folded);
  const hits = [...images.folded.keys()].filter(i => images.folded[i].includes(wanted));
  byId("found-head").textContent = `Found: ${plural(hits.length, "image")}`;
  fillSheet(byId("found").querySelector(".sheet"), hits, true);
  byId("found").scrollIntoView({ block: "nearest" });
  say(byId("found-head").textContent);
}

// ---- The map

let map = null; // sources of points and of the ring, and the drawing

/** Draw the map of the space that is shown. */
async function drawMap() {
  const [box, drawn] = [byId("map"), space];
  map?.shown.remove();
  map = null;
  box.replaceChildren(make("p", { class: "quiet" }, "One moment …"));
  await load(FACTS.bokeh);
  if (drawn !== space) return;
  const [x, y] = [0, 1].map(axis => Float32Array.from(images.names.keys(), i => space.plane[2 * i + axis]));
  const points = new Bokeh.ColumnDataSource({ data: {
    x, y, color: pointColors(), name: images.names, image: [...images.names.keys()].map(address) } });
  const ring = new Bokeh.ColumnDataSource({ data: { x: [], y: [] } });
  const narrow = matchMedia("(max-width: 60rem)").matches;
  const figure = Bokeh.Plotting.figure({
    height: narrow ? 400 : 560, sizing_mode: "stretch_width", output_backend: "webgl",
    tools: [], toolbar_location: "right",
    background_fill_color: null, border_fill_color: null, outline_line_color: null, match_aspect: !narrow });
  figure.toolbar.logo = null;
  for (const axis of [figure.xaxis, figure.yaxis]) axis.visible = false;
  for (const grid of [figure.xgrid, figure.ygrid]) grid.visible = false;
  const n = images.names.length;
  const dots = figure.scatter({ field: "x" }, { field: "y" }, {
    source: points, size: (n > 5000 ? 5 : n > 1000 ? 7 : 9) - (narrow ? 2 : 0),
    color: { field: "color" }, alpha: 0.8, line_alpha: 0 });
  figure.scatter({ field: "x" }, { field: "y" }, {
    source: ring, size: 17, fill_alpha: 0, line_width: 3, line_color: "#e0007a" });
  figure.add_tools(new Bokeh.PanTool(), new Bokeh.WheelZoomTool({ modifiers: { ctrl: true } }), new Bokeh.BoxZoomTool(),
    new Bokeh.ResetTool(), new Bokeh.TapTool({ renderers: [dots], visible: false }),
    new Bokeh.HoverTool({ renderers: [dots], limit: 1, visible: false, tooltips: byId("hint").innerHTML }));
  // A finger that passes over the map scrolls the page.
  if (matchMedia("(pointer: coarse)").matches) figure.toolbar.active_drag = null;
  points.selected.properties.indices.change.connect(() => {
    const [i] = points.selected.indices;
    if (i === undefined) return;
    points.selected.indices = [];
    select(i);
  });
  box.replaceChildren();
  map = { points, ring, shown: await Bokeh.Plotting.show(figure, box) };
  ringMap();
}

const pointColors = () => Array.from(now.clusters, color);

function colorMap() {
  if (map) map.points.data = { ...map.points.data, color: pointColors() };
}

function ringMap() {
  const at = axis => (selected < 0 ? [] : [space.plane[2 * selected + axis]]);
  if (map) map.ring.data = { x: at(0), y: at(1) };
}

// ---- From one clustering to another

async function choose(place) {
  const facts = FACTS.views[place];
  const file = FACTS.spaces[facts.encoder];
  byId("view").value = place;
  const [data, packed] = await Promise.all([load(facts.file), load(file)]);
  if (byId("view").value !== String(place)) return;
  const [ints, floats] = [Int32Array, Float32Array].map(Kind => text => unpacked(text, Kind));
  view = { key: facts.key, clusters: ints(data.clusters), second: ints(data.second),
    silhouettes: floats(data.silhouettes), toMedoid: floats(data.toMedoid) };
  const moved = space?.file !== file;
  if (moved) space = { file, each: packed.each, plane: floats(packed.plane), neighbors: ints(packed.neighbors) };
  actions = kept.get(view.key) ?? [];
  now = replayed();
  marked.clear();
  for (const section of byId("clusters").children) watcher.unobserve(section);
  byId("clusters").replaceChildren();
  shells.clear();
  showRanking();
  showClusters(true);
  showDuplicates();
  search();
  say(`${facts.encoderName}, ${facts.clustererName}: ${plural(present().length, "cluster")}`);
  if (moved) await drawMap();
}

const system = matchMedia("(prefers-color-scheme: dark)");

/** Show the colours that were chosen here, or else those of the system. */
function showTheme(chosen) {
  const theme = chosen ?? kept.get("theme") ?? (system.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
}

function listen() {
  byId("view").addEventListener("change", event => choose(Number(event.target.value)));
  byId("order").addEventListener("change", () => showClusters(true));
  byId("go").addEventListener("submit", event => { event.preventDefault(); goTo(Number(byId("jump").value)); });
  byId("undo").addEventListener("click", () => act());
  byId("export").addEventListener("click", exportCsv);
  byId("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    kept.set("theme", theme);
    showTheme(theme);
  });
  system.addEventListener("change", () => showTheme());
  // The bar has more rows where it is narrow.
  new ResizeObserver(([{ target }]) => {
    document.documentElement.style.setProperty("--bar", `${target.offsetHeight}px`);
  }).observe(document.querySelector(".bar"));
  let waiting = 0;
  byId("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 150); });
  document.addEventListener("click", event => {
    const tile = event.target.closest?.(".tile");
    if (!tile) return;
    if (event.shiftKey) return markUpTo(tile);
    if (event.ctrlKey || event.metaKey) return toggleMark(Number(tile.dataset.image));
    if (tile.closest("main")) opener = tile;
    select(Number(tile.dataset.image), event.detail === 0 || Boolean(tile.closest("#panel")));
  });
  document.addEventListener("focusin", event => { if (event.target.matches(".tile")) roveTo(event.target); });
  document.addEventListener("keydown", event => {
    moveInSheet(event);
    if (byId("ask").open || event.defaultPrevented) return;
    const typing = event.target.matches("input, select");
    if (event.key === "Escape" && !byId("panel").hidden) closePanel();
    if (event.key === "m" && event.target.matches(".tile")) toggleMark(Number(event.target.dataset.image));
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !typing && actions.length) {
      event.preventDefault();
      act();
    }
  });
}

async function start() {
  showTheme();
  byId("view").append(...FACTS.views.map(({ encoderName, clustererName, nClusters }, place) =>
    make("option", { value: place }, `${encoderName} · ${clustererName} (${plural(nClusters, "cluster")})`)));
  listen();
  listenToRanking();
  images = await load(FACTS.images);
  await choose(0);
  document.body.dataset.ready = "yes";
}

addEventListener("unhandledrejection", ({ reason }) => {
  byId("main").prepend(make("p", { class: "wrong", role: "alert" },
    `This page lacks what lies beside it: ${reason.message}. Keep ${FACTS.beside}/ together with the page.`));
});
start();
