// What is known of a row, as tables; all text of the data goes into the page as text, never as markup.
import { entropy } from "explorer/study";

const LEAST = 0.001; // mass of a class of edges that is listed

export function element(name, text, className = "") {
  const made = document.createElement(name);
  made.className = className;
  made.append(text ?? "");
  return made;
}

const percent = (value) => (value < 0.001 ? "<0.1 %" : `${(100 * value).toFixed(1)} %`);
export const points = (value) => `${value < 0 ? "+" : "−"}${Math.abs(100 * value).toFixed(1)} points`;
const nats = (value) => (Number.isFinite(value) ? `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)} nats` : "–");

function withBar(text, share) {
  const bar = element("i");
  bar.style.width = `${(4 * Math.min(1, Math.max(0, share))).toFixed(2)}rem`;
  bar.setAttribute("aria-hidden", "true");
  const made = element("span", `${text} `);
  made.append(bar);
  return made;
}

/** Put lines of cells into a table's body; the first cell of each is its head. */
export function fill(table, lines) {
  table.tBodies[0].replaceChildren(...lines.map(([head, ...cells]) => {
    const made = element("tr");
    made.append(element("th", head), ...cells.map((cell) => element("td", cell)));
    made.firstChild.scope = "row";
    return made;
  }));
}

function jump(prompt, j, reveal) {
  const made = element("button", prompt.token(j).label, "token");
  made.type = "button";
  made.setAttribute("aria-label", `${made.textContent}, position ${j}: show it in the text`);
  made.addEventListener("click", () => reveal(j));
  return made;
}

/** The sources with most attention: each a button that brings it into view. */
export function showSources(table, prompt, weights, top, reveal) {
  fill(table, top.map((j) => [jump(prompt, j, reveal), `position ${j}`, withBar(weights[j].toFixed(3), weights[j])]));
}

/** Next token, its probability as it is and with the row ablated, entropy. */
export function showNext(table, prompt, row, weights) {
  const [clean, ablated, following] = [prompt.clean(row), prompt.ablated(row), prompt.token(row + 1)];
  const lines = [["entropy of the row", `${entropy(weights).toFixed(2)} bits`], ["dominated by", prompt.class(row)]];
  if (Number.isFinite(clean)) {
    lines.unshift(
      ["its probability", withBar(percent(Math.exp(clean)), Math.exp(clean))],
      ["… with the row ablated", withBar(percent(Math.exp(ablated)), Math.exp(ablated))],
      ["change of log probability", nats(ablated - clean)],
    );
  }
  if (following) lines.unshift(["next token", element("code", following.label)]);
  fill(table, lines);
}

/** First predictions after the destination, as it is and with the head ablated there. */
export function showPredictions(table, prompt, row) {
  const { clean = [], ablated = [] } = prompt.predictions(row);
  const cell = ([label, probability]) => {
    const made = element("span", element("code", label));
    made.append(` ${percent(probability)}`);
    return made;
  };
  fill(table, clean.map((one, place) => [`${place + 1}`, cell(one), cell(ablated[place])]));
}

/** The positions at which an ablation costs the last token's prediction most. */
export function showLosses(table, prompt, go) {
  const rows = Array.from({ length: prompt.length - 1 }, (_, before) => before + 1);
  const worst = rows.sort((a, b) => prompt.last.lost(b) - prompt.last.lost(a)).slice(0, 5).filter((j) => prompt.last.lost(j) > 0.0005);
  fill(table, worst.map((j) => [jump(prompt, j, go), `position ${j}`, points(prompt.last.lost(j))]));
}

/** Mass on each class of edges, and what cutting them costs at this row. */
export function showEdges(table, prompt, row) {
  const edges = prompt.edges(row).filter(({ mass }) => mass >= LEAST);
  fill(table, edges.map(({ name, mass, cost }) => [name, withBar(percent(mass), mass), nats(cost)]));
}

/** The row in one sentence, for those who hear the page. */
export function sentence(study, prompt, row, weights, top) {
  const labels = study.taxonomies.map((taxonomy) => `${taxonomy} ${prompt.label(taxonomy, row)}`).join(", ");
  const most = top.slice(0, 3).map((j) => `${prompt.token(j).label} ${weights[j].toFixed(2)}`).join(", ");
  return `Destination ${prompt.token(row).label} at position ${row} of prompt ${prompt.name}: ${labels}. Most attention: ${most}.`;
}
