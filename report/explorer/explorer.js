// The page: what is shown (`shown`), and what changes it. Everything else is in the modules.
import { readAddress, writeAddress, NOTHING } from "explorer/address";
import * as facts from "explorer/facts";
import * as filters from "explorer/filters";
import { asked } from "explorer/keys";
import { rowPicture } from "explorer/picture";
import { topSources } from "explorer/rows";
import { openStudy } from "explorer/study";
import * as text from "explorer/text";

const TOP = 8;
const FIELDS = ["q", "type", "label", "class", "low", "high"];
const by = (id) => document.getElementById(id);
const study = openStudy(JSON.parse(by("data").textContent));
const shown = { ...NOTHING, head: study.head };
let place = 0; // of the prompt that is shown
let built = -1; // of the prompt whose tokens are in the page
let weights = new Float32Array();
let top = [];
let found = [];

const prompt = () => study.prompts[place];
const box = by("text");

function option(value, name) {
  const made = facts.element("option", name);
  made.value = value;
  return made;
}

function fillPrompts() {
  const groups = new Map();
  for (const one of study.prompts) {
    const name = one.kind === "text" ? "text of the study" : `template ${one.source}`;
    if (!groups.has(name)) groups.set(name, facts.element("optgroup"));
    groups.get(name).label = name;
    const about = one.kind === "text" ? `${one.name} · ${one.sourceType}` : one.name;
    groups.get(name).append(option(one.name, about));
  }
  by("prompt").append(...[...groups.values()].reverse());
}

function fillFilters() {
  by("type").append(option("", "any source"), ...study.sourceTypes.map((name) => option(name, name)));
  by("label").append(option("", "any label"));
  for (const taxonomy of study.taxonomies) {
    for (const label of study.labels[taxonomy]) {
      const total = study.total(taxonomy, label);
      const about = total ? ` (${total.toLocaleString("en")} in the study)` : "";
      by("label").append(option(`${taxonomy}:${label}`, `${taxonomy}: ${label}${about}`));
    }
  }
  by("class").append(option("", "any class"), ...[...study.classes, "none"].map((name) => option(name, name)));
}

function chips(row) {
  const made = study.taxonomies.map((taxonomy) => {
    const label = prompt().label(taxonomy, row);
    const chip = facts.element("span", label, "chip");
    const colour = study.colours[label];
    if (colour) [chip.style.background, chip.style.color] = [colour, brightness(colour) > 140 ? "#1f2328" : "#ffffff"];
    return [` ${taxonomy} `, chip];
  });
  by("caption").replaceChildren(`Prompt ${prompt().name} (${prompt().source}), position ${row}:`, ...made.flat());
}

function brightness(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.3 * red + 0.59 * green + 0.11 * blue;
}

function reveal(j) {
  if (text.tokenAt(box, j)?.hidden) setFold(false);
  box.scrollIntoView({ block: "nearest" });
  text.reveal(box, j, j < weights.length - 1);
}

/** Open or close a part of the page; opened, it is gone to, since it may be out of view. */
function toggle(id) {
  by(id).open = !by(id).open;
  if (by(id).open) by(id).querySelector("summary").focus();
}

function showTables(row) {
  const measured = prompt().measured(row);
  const within = by("facts").contains(document.activeElement) && document.activeElement.matches("button");
  facts.showSources(by("top"), prompt(), weights, top, reveal);
  facts.showNext(by("next-token"), prompt(), row, weights);
  facts.showCosts(by("costs"), study.classes, measured);
  facts.showPairs(by("pairs"), measured);
  facts.showOthers(by("others"), prompt(), row, top[0], reveal);
  facts.showStrip(by("strip"), prompt(), weights, reveal);
  if (within) box.focus(); // the button that had the focus is no more
  showAll();
}

/** Fill the table of all sources, where it is open. */
function showAll() {
  if (by("all-sources").open) facts.showAll(by("all"), prompt(), weights);
}

/** Show a row: draw it from queries and keys, and say what is known of it. */
function show(newPlace, newRow) {
  place = Math.min(Math.max(newPlace, 0), study.prompts.length - 1);
  const row = Math.min(Math.max(newRow, 1), prompt().length - 1);
  Object.assign(shown, { prompt: prompt().name, row });
  if (built !== place) text.buildText(box, prompt());
  built = place;
  weights = prompt().weights(row);
  top = topSources(weights, TOP);
  text.paint(box, prompt(), weights);
  text.fold(box, weights, shown.fold);
  text.reveal(box, row, false);
  by("prompt").value = prompt().name;
  box.setAttribute("aria-label", `Text of prompt ${prompt().name}, a token an option; the destination is chosen`);
  chips(row);
  by("said").textContent = facts.sentence(study, prompt(), row, weights, top);
  showTables(row);
  sayPlace();
  history.replaceState(null, "", writeAddress(shown));
}

function sayPlace() {
  const at = found.findIndex(([of, row]) => of === place && row === shown.row);
  const of = `${found.length.toLocaleString("en")} ${found.length === 1 ? "row" : "rows"}`;
  by("place").textContent = at < 0 ? of : `${(at + 1).toLocaleString("en")} of ${of}`;
}

function search() {
  found = filters.matches(study, shown);
  by("warning").textContent = found.length ? "" : "No row on this page is like that.";
  for (const name of ["next", "previous", "random"]) by(name).disabled = !found.length;
}

/** Go to a match; `step` is 1 or −1. */
function move(step) {
  const at = filters.beside(found, place, shown.row, step);
  if (at >= 0) show(...found[at]);
}

function filter() {
  for (const name of ["q", "type", "label", "class"]) shown[name] = by(name).value;
  for (const name of ["low", "high"]) shown[name] = Math.max(0, Number(by(name).value) || 0);
  search();
  const here = found.some(([of, row]) => of === place && row === shown.row);
  if (here || !found.length) show(place, shown.row);
  else show(...found[Math.max(0, found.findIndex(([of]) => of >= place))]);
}

function setFold(folded) {
  shown.fold = folded;
  by("fold").checked = folded;
  text.fold(box, weights, folded);
  text.reveal(box, shown.row, false);
  history.replaceState(null, "", writeAddress(shown));
}

function save() {
  const about = `Head ${study.head}. ${by("said").textContent}`;
  const picture = rowPicture(prompt(), weights, about, study.destination);
  const link = facts.element("a");
  link.href = URL.createObjectURL(new Blob([picture], { type: "image/svg+xml" }));
  link.download = `head-${study.head}-prompt-${prompt().name}-row-${shown.row}.svg`;
  link.click();
  const said = `Saved as ${link.download}.`;
  by("warning").textContent = said;
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
    if (by("warning").textContent === said) by("warning").textContent = "";
  }, 4000);
}

function random() {
  if (found.length) show(...found[Math.floor(Math.random() * found.length)]);
}

const ACTIONS = {
  on: () => show(place, shown.row + 1),
  back: () => show(place, shown.row - 1),
  first: () => show(place, 1),
  last: () => show(place, prompt().length - 1),
  next: () => move(1),
  previous: () => move(-1),
  random,
  nextPrompt: () => show((place + 1) % study.prompts.length, 1),
  previousPrompt: () => show((place - 1 + study.prompts.length) % study.prompts.length, 1),
  source: (number) => { if (number <= top.length) reveal(top[number - 1]); },
  destination: () => reveal(shown.row),
  fold: () => setFold(!shown.fold),
  save,
  table: () => { toggle("all-sources"); showAll(); },
  search: () => { by("filters").open = true; by("q").focus(); },
  help: () => toggle("help"),
};

function onKey(event) {
  if (event.key === "Escape" && event.target !== document.body) box.focus();
  const wanted = asked(event, by("letters").checked);
  if (!wanted) return;
  if (["first", "last"].includes(wanted.name) && event.target !== box) return;
  event.preventDefault();
  ACTIONS[wanted.name](wanted.number);
}

/** Where an address without a row leads: to the first row that it looks for, or to the first prompt asked for. */
function start() {
  const counts = ([of, row]) => study.prompts[of].kind === "text" && row >= study.first;
  if (found.length && filters.isAsked(shown)) return found.find(counts) ?? found[0];
  const first = study.prompts.findIndex((one) => one.kind === "text");
  return [Math.max(0, first), Math.max(1, Math.floor(study.prompts[Math.max(0, first)].length / 2))];
}

function open() {
  const given = readAddress(location.hash);
  Object.assign(shown, given, { head: study.head });
  for (const name of FIELDS) by(name).value = shown[name] || "";
  for (const name of ["type", "label", "class"]) {
    if (by(name).selectedIndex < 0) [by(name).value, shown[name]] = ["", ""];
  }
  by("fold").checked = shown.fold;
  by("filters").open = by("filters").open || filters.isAsked(shown);
  search();
  const at = given.prompt ? study.find(given.prompt) : -1;
  if (at >= 0) show(at, given.row || 1);
  else show(...start());
  const elsewhere = given.head && given.head !== study.head;
  if (elsewhere) by("warning").textContent = `This page shows head ${study.head}; the link asks for head ${given.head}.`;
  else if (given.prompt && at < 0) by("warning").textContent = `Prompt ${given.prompt} is not on this page.`;
}

by("head").textContent = study.head;
document.title = `Rows of head ${study.head} (${study.study})`;
by("about").textContent =
  `${study.prompts.length} prompts of ${study.model}. Choose any token as destination: it is framed, and the darker ` +
  "a token before it, the more of the head's attention goes there.";
document.documentElement.style.setProperty("--destination", study.destination);
fillPrompts();
fillFilters();
by("prompt").addEventListener("change", () => show(study.find(by("prompt").value), 1));
for (const name of FIELDS) by(name).addEventListener("input", filter);
by("fold").addEventListener("change", () => setFold(by("fold").checked));
for (const name of ["previous", "next", "random", "save"]) by(name).addEventListener("click", () => ACTIONS[name]());
by("clear").addEventListener("click", () => { for (const name of FIELDS) by(name).value = ""; filter(); });
by("all-sources").addEventListener("toggle", showAll);
by("filters").addEventListener("submit", (event) => event.preventDefault());
box.addEventListener("click", (event) => {
  const made = event.target.closest("[data-position]");
  if (made && Number(made.dataset.position) > 0) show(place, Number(made.dataset.position));
});
box.addEventListener("mouseover", (event) => {
  const made = event.target.closest("[data-position]");
  by("tip").hidden = !made;
  if (!made) return;
  const j = Number(made.dataset.position);
  const weight = j < weights.length ? `weight ${weights[j].toFixed(3)} · ` : "";
  by("tip").textContent = `${prompt().token(j)[1]}\n${weight}position ${j} · token id ${prompt().token(j)[0]}`;
  const at = made.getBoundingClientRect();
  by("tip").style.left = `${Math.max(4, Math.min(at.left, innerWidth - by("tip").offsetWidth - 8))}px`;
  const below = at.bottom + by("tip").offsetHeight + 8 <= innerHeight;
  by("tip").style.top = `${below ? at.bottom + 6 : at.top - by("tip").offsetHeight - 6}px`;
});
box.addEventListener("mouseleave", () => { by("tip").hidden = true; });
window.addEventListener("hashchange", open);
document.addEventListener("keydown", onKey);
open();
