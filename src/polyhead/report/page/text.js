// The prompt's text: a list whose options are tokens. A row changes shades only; tokens are made once a prompt.

import { points } from "explorer/facts";

const SAID = 0.01; // from this weight on a token's weight is read out with it

/** Put a prompt's tokens into the box. */
export function buildText(box, prompt) {
  const pieces = [];
  for (let j = 0; j < prompt.length; j++) {
    const made = document.createElement("span");
    made.id = `token-${j}`;
    made.textContent = prompt.token(j).label;
    made.setAttribute("role", "option");
    made.dataset.position = String(j);
    made.style.setProperty("--lost", Math.max(0, j && prompt.lost(j)).toFixed(3));
    pieces.push(made);
    if (prompt.token(j).breaks) pieces.push(document.createElement("br"));
  }
  box.replaceChildren(...pieces);
  box.scrollTop = 0;
}

/** Shade a row's sources, the more attention the darker, and frame its destination. */
export function paint(box, prompt, weights) {
  const destination = weights.length - 1;
  for (const made of box.querySelectorAll("span")) {
    const j = Number(made.dataset.position);
    const { label, id } = prompt.token(j);
    const weight = weights[j] ?? 0;
    made.style.setProperty("--weight", weight < 0.0005 ? "0" : (0.85 * Math.sqrt(weight)).toFixed(3));
    made.classList.toggle("destination", j === destination);
    made.classList.toggle("later", j > destination);
    made.classList.remove("marked");
    const lost = j && Math.abs(prompt.lost(j)) >= SAID ? `\nablated here, its next token: ${points(prompt.lost(j))}` : "";
    made.title = `${label}\n${j > destination ? "" : `weight ${weight.toFixed(3)} · `}position ${j} · token id ${id}${lost}`;
    made.setAttribute("aria-selected", String(j === destination));
    if (j === destination) made.setAttribute("aria-label", `${label}, destination, position ${j}`);
    else made.setAttribute("aria-label", weight >= SAID ? `${label}, weight ${weight.toFixed(2)}` : label);
  }
  box.setAttribute("aria-activedescendant", `token-${destination}`);
}

/** Scroll the text, not the page, until a token is in view; mark it where it is a source. */
export function reveal(box, j, mark) {
  const made = box.querySelector(`#token-${j}`);
  const [outer, inner] = [box, made].map((one) => one.getBoundingClientRect());
  if (inner.top < outer.top + 8 || inner.bottom > outer.bottom - 8) {
    box.scrollTop += inner.top - outer.top - box.clientHeight / 2;
  }
  for (const other of box.querySelectorAll(".marked")) other.classList.remove("marked");
  made.classList.toggle("marked", mark);
}

/** Ticks above the text that say where in the prompt the row's mass is. */
export function showStrip(strip, prompt, weights, onClick) {
  const last = weights.length - 1;
  const places = Array.from(weights.keys()).filter((j) => j === last || weights[j] >= SAID);
  strip.replaceChildren(...places.map((j) => {
    const tick = document.createElement("i");
    tick.classList.toggle("destination", j === last);
    tick.style.left = `${((100 * j) / Math.max(1, prompt.length - 1)).toFixed(2)}%`;
    tick.style.height = `${(100 * Math.max(0.15, Math.sqrt(weights[j]))).toFixed(0)}%`;
    tick.addEventListener("click", () => onClick(j));
    return tick;
  }));
}

/** Bars below the text: what the last prediction loses with the head ablated at each position; return full height. */
export function showBars(box, prompt, row, go) {
  const { lost } = prompt.last;
  const rows = Array.from({ length: prompt.length - 1 }, (_, before) => before + 1);
  const most = Math.max(0.01, ...rows.map((j) => Math.abs(lost(j))));
  box.replaceChildren(...rows.map((j) => {
    const bar = document.createElement("i");
    bar.className = `${lost(j) < 0 ? "gain" : "loss"} ${j === row ? "destination" : ""}`;
    bar.style.setProperty("--height", (Math.abs(lost(j)) / most).toFixed(3));
    bar.title = `${prompt.token(j).label}, position ${j}: ${points(lost(j))}`;
    bar.addEventListener("click", () => go(j));
    return bar;
  }));
  return most;
}
