// The prompt's text: a list whose options are tokens. A row changes shades only; tokens are made once a prompt.

const NEAR = 6; // tokens that stay beside a source when the rest is folded away
const MUCH = 0.02;
const SAID = 0.01; // from this weight on a token's weight is read out with it

function piece(token, j) {
  const made = document.createElement("span");
  made.id = `token-${j}`;
  made.textContent = token[1];
  made.setAttribute("role", "option");
  made.dataset.position = String(j);
  return made;
}

/** Put a prompt's tokens into the box. */
export function buildText(box, prompt) {
  const pieces = [];
  for (let j = 0; j < prompt.length; j++) {
    pieces.push(piece(prompt.token(j), j));
    if (prompt.token(j)[2]) pieces.push(document.createElement("br"));
  }
  box.replaceChildren(...pieces);
  box.scrollTop = 0;
}

export function tokenAt(box, j) {
  return box.querySelector(`#token-${j}`);
}

/** Shade a row's sources, the more attention the darker, and frame its destination. */
export function paint(box, prompt, weights) {
  const destination = weights.length - 1;
  for (const made of box.querySelectorAll("span")) {
    const j = Number(made.dataset.position);
    const weight = weights[j] ?? 0;
    made.style.setProperty("--weight", weight < 0.0005 ? "0" : (0.85 * Math.sqrt(weight)).toFixed(3));
    made.classList.toggle("destination", j === destination);
    made.classList.toggle("later", j > destination);
    made.classList.remove("marked");
    made.setAttribute("aria-selected", String(j === destination));
    if (j === destination) made.setAttribute("aria-label", `${prompt.token(j)[1]}, destination, position ${j}`);
    else if (weight >= SAID) made.setAttribute("aria-label", `${prompt.token(j)[1]}, weight ${weight.toFixed(2)}`);
    else made.removeAttribute("aria-label");
  }
  box.setAttribute("aria-activedescendant", `token-${destination}`);
}

/** Places that stay when the text is folded to where the row's mass is. */
export function kept(weights) {
  const destination = weights.length - 1;
  const places = new Set([0]);
  const add = (j) => {
    for (let k = Math.max(0, j - NEAR); k <= Math.min(destination, j + NEAR); k++) places.add(k);
  };
  weights.forEach((weight, j) => { if (j > 0 && weight >= MUCH) add(j); });
  add(destination);
  return places;
}

/** Hide what is far from the row's mass, or show everything. */
export function fold(box, weights, folded) {
  const places = folded ? kept(weights) : null;
  let shown = true;
  for (const made of box.children) {
    if (made.tagName === "SPAN") shown = !places || places.has(Number(made.dataset.position));
    made.hidden = !shown;
    const before = made.previousElementSibling;
    made.classList.toggle("gap", Boolean(places) && shown && made.tagName === "SPAN" && Boolean(before?.hidden));
  }
}

/** Scroll the text, not the page, until a token is in view; mark it where it is a source. */
export function reveal(box, j, mark) {
  const made = tokenAt(box, j);
  if (!made || made.hidden) return;
  const outer = box.getBoundingClientRect();
  const inner = made.getBoundingClientRect();
  if (inner.top < outer.top + 8 || inner.bottom > outer.bottom - 8) {
    box.scrollTop += inner.top - outer.top - box.clientHeight / 2;
  }
  for (const other of box.querySelectorAll(".marked")) other.classList.remove("marked");
  made.classList.toggle("marked", mark);
}
