// All heads as points: two numbers of each, and a third, or the verdict, as colour.
import { element, fill } from "explorer/facts";

export const VERDICT = "verdict";
const [LEFT, RIGHT, TOP, BOTTOM] = [56, 16, 12, 44]; // room around the points
const LABELLED = 40; // heads, at most, whose points have their names beside them
const KINDS = ["polysemantic", "one behaviour", "undecided", "none"]; // of verdicts, in the order of their colours

const kind = (verdict) => Math.max(0, KINDS.findIndex((name) => verdict.startsWith(name)));
const short = (value) => (value === null ? "–" : String(Number(value.toPrecision(3))));

/** About five round numbers between two. */
export function ticks(low, high) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => power * factor >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** From numbers to places between two ends, with a little room at both; and the range of the numbers. */
function scale(values, from, to) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const room = (high - low || 1) * 0.06;
  const at = (value) => from + ((to - from) * (value - low + room)) / (high - low + 2 * room);
  return { low, high, at, ticks: known.length ? ticks(low - room, high + room) : [] };
}

function axes(x, y, names, width, height) {
  const lines = [
    ...x.ticks.flatMap((tick) => [
      svg("line", { x1: x.at(tick), x2: x.at(tick), y1: TOP, y2: height - BOTTOM }),
      svg("text", { x: x.at(tick), y: height - BOTTOM + 16, "text-anchor": "middle" }, String(tick)),
    ]),
    ...y.ticks.flatMap((tick) => [
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y.at(tick), y2: y.at(tick) }),
      svg("text", { x: LEFT - 6, y: y.at(tick) + 4, "text-anchor": "end" }, String(tick)),
    ]),
    svg("text", { x: (LEFT + width) / 2, y: height - 8, "text-anchor": "middle" }, names.x),
    svg("text", { x: 12, y: height / 2, transform: `rotate(-90 12 ${height / 2})`, "text-anchor": "middle" }, names.y),
  ];
  const made = svg("g", { class: "axes" });
  made.append(...lines);
  return made;
}

/** Heads of a layer stand beside each other. */
function spread(map, name) {
  if (name !== "layer") return map.numbers[name];
  const most = 1 + Math.max(...map.heads.map((head) => Number(head.split(".")[1])));
  return map.numbers.layer.map((layer, i) => layer + 0.6 * ((Number(map.heads[i].split(".")[1]) + 0.5) / most - 0.5));
}

/** Names of points, each where it hides no other: beside its point, above or below; else it is left out. */
function labels(points, width) {
  const taken = points.map(({ x, y }) => [x - 6, y - 6, x + 6, y + 6]);
  const hides = ([left, top, right, bottom]) => left < 0 || right > width ||
    taken.some(([l, t, r, b]) => left < r && l < right && top < b && t < bottom);
  return points.flatMap(({ x, y, head }) => {
    const wide = 7 * head.length;
    const places = [[x + 10, y], [x - 10 - wide, y], [x - wide / 2, y - 14], [x - wide / 2, y + 14]];
    const free = places.map(([left, middle]) => [left, middle - 6, left + wide, middle + 6]).find((place) => !hides(place));
    if (!free) return [];
    taken.push(free);
    return [svg("text", { x: free[0], y: free[1] + 10 }, head)];
  });
}

/** Draw the points into a figure; return what the colours mean. */
export function drawMap(figure, map, { x: across, y: up, colour, chosen }, choose) {
  const [xs, ys] = [spread(map, across), spread(map, up)];
  const width = figure.clientWidth || 640; // nothing while it is hidden
  const height = Math.round(Math.min(420, Math.max(280, 0.62 * width)));
  const [x, y] = [scale(xs, LEFT, width - RIGHT), scale(ys, height - BOTTOM, TOP)];
  const shades = map.numbers[colour];
  const range = shades && scale(shades, 0, 1);
  const places = map.heads.map((_, i) => i).filter((i) => xs[i] !== null && ys[i] !== null);
  places.sort((i, j) => (map.heads[i] === chosen) - (map.heads[j] === chosen)); // the chosen one on top
  const few = map.heads.length <= LABELLED;
  const points = places.map((i) => {
    const [cx, cy, head] = [x.at(xs[i]), y.at(ys[i]), map.heads[i]];
    const point = svg("circle", { cx, cy, r: head === chosen ? 9 : few ? 6 : 4, class: shades ? "" : `kind-${kind(map.verdicts[i])}` });
    if (shades) point.style.setProperty("--part", shades[i] === null ? "0%" : `${(100 * range.at(shades[i])).toFixed(0)}%`);
    point.classList.toggle("number", Boolean(shades));
    point.classList.toggle("chosen", head === chosen);
    point.dataset.head = head;
    const about = [across, up, ...(shades ? [colour] : [])].map((name) => `${name} ${short(map.numbers[name][i])}`);
    point.append(svg("title", {}, `${head}: ${map.verdicts[i]}\n${about.join("\n")}`));
    point.addEventListener("click", () => choose(head));
    return point;
  });
  const named = places.filter((i) => few || map.heads[i] === chosen).reverse(); // the chosen one first
  const names = labels(named.map((i) => ({ x: x.at(xs[i]), y: y.at(ys[i]), head: map.heads[i] })), width);
  figure.replaceChildren(axes(x, y, { x: across, y: up }, width, height), ...points, ...names);
  figure.setAttribute("viewBox", `0 0 ${width} ${height}`);
  figure.setAttribute("aria-label", `${places.length} heads: ${across}, ${up}`);
  const left = map.heads.length - places.length;
  return { range, left };
}

/** What the colours mean, and how many heads have no place. */
export function showLegend(box, colour, { range, left }) {
  const parts = range
    ? [`${colour}: ${short(range.low)} `, element("i", "", "ramp"), ` ${short(range.high)}`]
    : KINDS.map((name, place) => {
      const made = element("span", element("i", "", `dot kind-${place}`));
      made.append(` ${name} `);
      return made;
    });
  box.replaceChildren(...parts, left ? ` · ${left} without such numbers` : "");
}

/** One head's numbers. */
export function showHead(table, map, head) {
  const i = map.heads.indexOf(head);
  fill(table, Object.entries(map.numbers).map(([name, values]) => [name, short(values[i])]));
}
