// What is known of a row, as tables; all text of the data goes into the page as text, never as markup.

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export const percent = (value) => (value < 0.001 ? "<0.1 %" : `${(100 * value).toFixed(1)} %`);
const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

function bar(share) {
  const made = element("i");
  made.style.width = `${(5 * Math.min(1, Math.max(0, share))).toFixed(2)}rem`;
  made.setAttribute("aria-hidden", "true");
  return made;
}

function line(cells) {
  const made = element("tr");
  cells.forEach((cell, place) => {
    const name = place ? "td" : "th";
    const one = element(name, cell instanceof Node ? undefined : cell);
    if (!place) one.setAttribute("scope", "row");
    if (cell instanceof Node) one.append(cell);
    made.append(one);
  });
  return made;
}

function withBar(text, share) {
  const made = document.createDocumentFragment();
  made.append(`${text} `, bar(share));
  return made;
}

function fill(table, lines, empty) {
  const shown = lines.length ? lines : [line([empty])];
  table.tBodies[0].replaceChildren(...shown);
}

function jump(prompt, j, reveal) {
  const made = element("button", prompt.token(j)[1], "token");
  made.type = "button";
  made.setAttribute("aria-label", `${prompt.token(j)[1]}, position ${j}: show it in the text`);
  made.addEventListener("click", () => reveal(j));
  return made;
}

/** The sources with most attention: each a button that brings it into view. */
export function showSources(table, prompt, weights, top, reveal) {
  fill(table, top.map((j) => line([jump(prompt, j, reveal), `position ${j}`, withBar(weights[j].toFixed(3), weights[j])])), "");
}

/** Next token, its probability as it is and with the row ablated, entropy. */
export function showNext(table, prompt, row, weights) {
  const [clean, ablated] = [prompt.clean(row), prompt.ablated(row)];
  const following = prompt.token(row + 1);
  const lines = [line(["entropy of the row", `${prompt.entropy(row).toFixed(2)} bits`])];
  if (following) lines.unshift(line(["next token", element("code", following[1])]));
  if (clean !== undefined && Number.isFinite(clean)) {
    lines.push(line(["its probability", withBar(percent(Math.exp(clean)), Math.exp(clean))]));
    lines.push(line(["… with the row ablated", withBar(percent(Math.exp(ablated)), Math.exp(ablated))]));
    lines.push(line(["change of log probability", `${signed(ablated - clean, 3)} nats`]));
  }
  lines.push(line(["dominated by", prompt.class(row)]));
  fill(table, lines, "");
}

/** What cutting each class of edges costs at this row, and the mass on it. */
export function showCosts(table, classes, measured) {
  const lines = (measured.costs ?? []).map((cost, place) =>
    line([classes[place], withBar(percent(measured.masses[place]), measured.masses[place]), `${signed(cost, 3)} nats`]));
  fill(table, lines, "Not measured at this row.");
}

/** Pairs of components that speak for the top source, or against it. */
export function showPairs(table, measured) {
  const lines = (measured.pairs ?? []).map(([query, key, value]) => line([query, key, signed(value, 2)]));
  fill(table, lines, "Not measured at this row.");
}

/** The top source of other heads at the same row, those with most weight on it first. */
export function showOthers(table, prompt, row, own, reveal) {
  const lines = prompt.others(row)
    .sort((a, b) => b.weight - a.weight)
    .map(({ head, source, weight }) => {
      const made = line([head, jump(prompt, source, reveal), withBar(weight.toFixed(2), weight)]);
      made.classList.toggle("same", source === own);
      return made;
    });
  fill(table, lines, "The model has no other head.");
}

/** Every source of the row, in the order of the text. */
export function showAll(table, prompt, weights) {
  const lines = Array.from(weights, (weight, j) => line([String(j), element("code", prompt.token(j)[1]), weight.toFixed(4)]));
  fill(table, lines, "");
}

/** The row in one sentence, for a caption and for those who hear the page. */
export function sentence(study, prompt, row, weights, top) {
  const labels = study.taxonomies.map((taxonomy) => `${taxonomy} ${prompt.label(taxonomy, row)}`).join(", ");
  const most = top.slice(0, 3).map((j) => `${prompt.token(j)[1]} ${weights[j].toFixed(2)}`).join(", ");
  return `Destination ${prompt.token(row)[1]} at position ${row} of prompt ${prompt.name}: ${labels}. Most attention: ${most}.`;
}

/** Ticks above the text that say where in the prompt the row's mass is. */
export function showStrip(strip, prompt, weights, reveal) {
  const ticks = [];
  weights.forEach((weight, j) => {
    if (weight < 0.01 && j < weights.length - 1) return;
    const tick = element("i", undefined, j === weights.length - 1 ? "destination" : "");
    tick.style.left = `${((100 * j) / Math.max(1, prompt.length - 1)).toFixed(2)}%`;
    tick.style.height = `${(100 * Math.max(0.15, Math.sqrt(weight))).toFixed(0)}%`;
    tick.addEventListener("click", () => reveal(j));
    ticks.push(tick);
  });
  strip.replaceChildren(...ticks);
}
