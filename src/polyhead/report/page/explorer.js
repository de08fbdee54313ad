// The page: what is shown (`shown`), and what changes it. Everything else is in the modules.
import * as facts from "explorer/facts";
import { NOTHING, beside, isAsked, matches, readAddress, writeAddress } from "explorer/find";
import { VERDICT, drawMap, showHead, showLegend } from "explorer/heads";
import { NONE, openStudy, topSources } from "explorer/study";
import * as text from "explorer/text";

const TOP = 8;
const AXES = ["x", "y", "colour", "chosen"];
const FIELDS = ["q", "type", "label", "class", "low", "high"];
const by = (id) => document.getElementById(id);
const study = openStudy(JSON.parse(by("data").textContent));
const shown = { ...NOTHING, head: study.head };
const box = by("text");
let place = 0; // of the prompt that is shown
let built = -1; // of the prompt whose tokens are in the page
let weights = new Float32Array();
let top = [];
let found = [];

const prompt = () => study.prompts[place];
const isHere = ([of, row]) => of === place && row === shown.position;
const count = (number) => number.toLocaleString("en");

function option(value, name) {
  const made = facts.element("option", name);
  made.value = value;
  return made;
}

function fillPrompts() {
  const kinds = [...new Set(study.prompts.map((one) => one.kind))].reverse(); // text first
  by("prompt").append(...kinds.map((kind) => {
    const group = facts.element("optgroup");
    const some = study.prompts.filter((one) => one.kind === kind);
    group.label = kind === "text" ? "text of the study" : `template ${some[0].source}`;
    group.append(...some.map(({ name, sourceType }) => option(name, kind === "text" ? `${name} · ${sourceType}` : name)));
    return group;
  }));
}

function fillFilters() {
  by("type").append(option("", "any source"), ...study.sourceTypes.map((name) => option(name, name)));
  by("label").append(option("", "any label"), ...study.labels.map((name) => option(name, name.replace(":", ": "))));
  by("class").append(option("", "any class"), ...[...study.classes, NONE].map((name) => option(name, name)));
}

function fillAxes() {
  const names = Object.keys(study.map.numbers);
  for (const id of ["x", "y"]) by(id).append(...names.map((name) => option(name, name)));
  by("colour").append(...[VERDICT, ...names].map((name) => option(name, name)));
  by("chosen").append(...study.map.heads.map((name) => option(name, name)));
  for (const id of AXES) by(id).addEventListener("input", () => showMap({ [id]: by(id).value }));
  by("heads").addEventListener("toggle", () => {
    shown.view = by("heads").open ? "heads" : "";
    showMap({});
  });
  window.addEventListener("resize", () => showMap({}));
}

/** What can be done with the chosen head: its rows are here, or a command makes them. */
function showRowsOf(head) {
  const here = head === study.head;
  const part = facts.element(here ? "button" : "code", here ? "Open its rows" : `${study.command}${head}`);
  if (here) part.addEventListener("click", () => { by("heads").open = false; box.focus(); });
  by("rows-of").replaceChildren(here ? "" : "Its rows are not on this page. This studies it: ", part);
}

/** Draw all heads; of what is asked for, what is unknown is as at first. */
function showMap(wanted) {
  const [layer, second = layer] = Object.keys(study.map.numbers);
  const first = { x: layer, y: second, colour: VERDICT, chosen: study.head };
  for (const id of AXES) {
    by(id).value = wanted[id] ?? shown[id];
    if (by(id).selectedIndex < 0) by(id).value = first[id];
    shown[id] = by(id).value === first[id] ? "" : by(id).value;
  }
  const now = Object.fromEntries(AXES.map((id) => [id, by(id).value]));
  showLegend(by("legend"), now.colour, drawMap(by("map"), study.map, now, (chosen) => showMap({ chosen })));
  by("verdict").textContent = `Head ${now.chosen}, ${study.map.verdicts[study.map.heads.indexOf(now.chosen)]}`;
  showHead(by("numbers"), study.map, now.chosen);
  showRowsOf(now.chosen);
  writeDown();
}

function writeDown() {
  if (location.protocol !== "about:") history.replaceState(null, "", writeAddress(shown)); // a notebook's frame has none
}

function caption(row) {
  const labels = study.taxonomies.flatMap((taxonomy) => {
    const chip = facts.element("span", prompt().label(taxonomy, row), "chip");
    chip.style.borderColor = study.colours[chip.textContent];
    return [` ${taxonomy} `, chip];
  });
  by("caption").replaceChildren(`Prompt ${prompt().name} (${prompt().source}), position ${row}:`, ...labels);
}

function reveal(j) {
  box.scrollIntoView({ block: "nearest" });
  text.reveal(box, j, j < weights.length - 1);
}

/** What the last token's prediction depends on, where it was measured. */
function showLast(row) {
  const { last } = prompt();
  by("last").hidden = by("losses").hidden = !last;
  if (!last) return;
  const go = (j) => show(place, j);
  const tallest = text.showBars(by("bars"), prompt(), row, go);
  by("answer").replaceChildren(
    "After the last token ", facts.element("code", last.label), ` has probability ${last.clean.toFixed(3)}. The bars: ` +
    `what it loses with the head ablated (${study.method}) at each position in turn; full height is ${(100 * tallest).toFixed(1)} points.`);
  facts.showLosses(by("losses"), prompt(), go);
}

function showTables(row) {
  const within = by("facts").contains(document.activeElement);
  facts.showSources(by("top"), prompt(), weights, top, reveal);
  facts.showNext(by("next-token"), prompt(), row, weights);
  facts.showPredictions(by("first"), prompt(), row);
  facts.showEdges(by("edges"), prompt(), row);
  text.showStrip(by("strip"), prompt(), weights, reveal);
  showLast(row);
  if (within) box.focus(); // the button that had the focus is no more
}

/** Show a row: draw it from queries and keys, and say what is known of it. */
function show(newPlace, newRow) {
  place = Math.min(Math.max(newPlace, 0), study.prompts.length - 1);
  const row = Math.min(Math.max(newRow, 1), prompt().length - 1);
  Object.assign(shown, { prompt: prompt().name, position: row });
  if (built !== place) text.buildText(box, prompt());
  built = place;
  weights = prompt().weights(row);
  top = topSources(weights, TOP);
  text.paint(box, prompt(), weights);
  by("prompt").value = prompt().name;
  box.setAttribute("aria-label", `Text of prompt ${prompt().name}, a token an option; the destination is chosen`);
  caption(row);
  by("said").textContent = facts.sentence(study, prompt(), row, weights, top);
  showTables(row);
  text.reveal(box, row, false); // the box is as high as it will be
  const at = found.findIndex(isHere);
  by("place").textContent = `${at < 0 ? "" : `${count(at + 1)} of `}${count(found.length)} ${found.length === 1 ? "row" : "rows"}`;
  writeDown();
}

function search() {
  found = matches(study, shown);
  by("warning").textContent = found.length ? "" : "No row on this page is like that.";
  for (const name of ["next", "previous"]) by(name).disabled = !found.length;
}

/** Go to a match; `step` is 1 or −1. */
function move(step) {
  const at = beside(found, place, shown.position, step);
  if (at >= 0) show(...found[at]);
}

function filter() {
  const values = Object.fromEntries(FIELDS.map((name) => [name, by(name).value]));
  Object.assign(shown, readAddress(writeAddress({ ...shown, ...values })));
  search();
  if (found.some(isHere) || !found.length) show(place, shown.position);
  else show(...(found.find(([of]) => of >= place) ?? found[0]));
}

function openPart(id, focus) {
  by(id).open = true;
  by(id).querySelector(focus).focus(); // it may be out of view
}

const nextPrompt = (step) => show((place + step + study.prompts.length) % study.prompts.length, 1);
const KEYS = {
  ArrowRight: () => show(place, shown.position + 1),
  ArrowLeft: () => show(place, shown.position - 1),
  Home: () => show(place, 1),
  End: () => show(place, prompt().length - 1),
  n: () => move(1),
  p: () => move(-1),
  "]": () => nextPrompt(1),
  "[": () => nextPrompt(-1),
  0: () => reveal(shown.position),
  "/": () => openPart("filters", "input"),
  "?": () => openPart("help", "summary"),
};
for (let number = 1; number <= TOP; number++) {
  KEYS[number] = () => { if (number <= top.length) reveal(top[number - 1]); };
}

/** Letters do nothing while something is being written, and can be turned off. */
function onKey(event) {
  const { key, target } = event;
  if (key === "Escape" && target !== document.body) box.focus();
  const writing = target.matches("select, input:not([type=checkbox])");
  const ignored = (key.length === 1 && !by("letters").checked) || (["Home", "End"].includes(key) && target !== box);
  if (!KEYS[key] || ignored || writing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[key]();
}

/** Where an address without a prompt leads: to the first row that it looks for, or into the longest text. */
function start() {
  if (found.length && isAsked(shown)) {
    return found.find(([of, row]) => study.prompts[of].kind === "text" && row >= study.first) ?? found[0];
  }
  const lengths = study.prompts.map(({ kind, length }) => (kind === "text" ? length : 0));
  const longest = study.prompts[0].last ? 0 : lengths.indexOf(Math.max(...lengths));
  const { length, last } = study.prompts[longest];
  return [longest, last ? length - 1 : Math.floor(length / 2)];
}

function open() {
  const given = readAddress(location.hash);
  Object.assign(shown, given, { head: study.head });
  for (const name of FIELDS) {
    by(name).value = shown[name] || "";
    if (by(name).selectedIndex < 0) by(name).value = shown[name] = "";
  }
  by("filters").open ||= isAsked(shown);
  if (study.map) {
    by("heads").open = given.view === "heads" || !(given.prompt || isAsked(given));
    showMap({});
  }
  search();
  const at = study.find(given.prompt);
  if (at >= 0) show(at, given.position);
  else show(...start());
  if (given.head && given.head !== study.head) {
    by("warning").textContent = `This page shows head ${study.head}; the link asks for head ${given.head}.`;
  } else if (given.prompt && at < 0) by("warning").textContent = `Prompt ${given.prompt} is not on this page.`;
}

by("head").textContent = study.head;
document.title = `Rows of head ${study.head} (${study.study})`;
by("about").textContent =
  `${study.prompts.length} prompt${study.prompts.length === 1 ? "" : "s"} of ${study.model}. Choose any token as destination: it is framed, and the darker ` +
  "a token before it, the more of the head's attention goes there. A blue bar at a token's end: what the next " +
  `token's probability loses with the head ablated (${study.method}) at this token alone.`;
document.documentElement.style.setProperty("--destination", study.destination);
fillPrompts();
fillFilters();
by("heads").hidden = !study.map;
if (study.map) fillAxes();
by("prompt").addEventListener("change", () => show(study.find(by("prompt").value), 1));
for (const name of FIELDS) by(name).addEventListener("input", filter);
by("next").addEventListener("click", () => move(1));
by("previous").addEventListener("click", () => move(-1));
by("clear").addEventListener("click", () => {
  for (const name of FIELDS) by(name).value = "";
  filter();
});
box.addEventListener("click", ({ target }) => { if (Number(target.dataset.position) > 0) show(place, Number(target.dataset.position)); });
window.addEventListener("hashchange", open);
document.addEventListener("keydown", onKey);
open();
