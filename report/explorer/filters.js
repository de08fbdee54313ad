// Which rows are looked for: by text that ends at the destination, source type, label, class of edges, entropy.

/** Spaces and ends of lines as labels write them; case does not matter. */
export function asLabels(text) {
  return text.replaceAll("\n", "⏎").replaceAll("\\n", "⏎").replaceAll(" ", "·").toLowerCase();
}

/** The tokens at which an occurrence of the text ends. */
export function endsOf(prompt, text) {
  const wanted = asLabels(text);
  let joined = "";
  const token = [];
  for (let j = 0; j < prompt.length; j++) {
    const label = prompt.token(j)[1].toLowerCase();
    for (let k = 0; k < label.length; k++) token.push(j);
    joined += label;
  }
  const found = new Set();
  for (let at = joined.indexOf(wanted); at >= 0; at = joined.indexOf(wanted, at + 1)) {
    found.add(token[at + wanted.length - 1]);
  }
  return found;
}

function test(study, wanted) {
  const [taxonomy, label] = split(wanted.label);
  return [
    wanted.label && ((prompt, row) => study.labels[taxonomy] && prompt.label(taxonomy, row) === label),
    wanted.class && ((prompt, row) => prompt.class(row) === wanted.class),
    wanted.low && ((prompt, row) => prompt.entropy(row) >= wanted.low),
    wanted.high && ((prompt, row) => prompt.entropy(row) <= wanted.high),
  ].filter(Boolean);
}

/** Taxonomy and label of a wanted label, which is written "taxonomy:label". */
export function split(label) {
  const at = label.indexOf(":");
  return [label.slice(0, at), label.slice(at + 1)];
}

export function isAsked(wanted) {
  return Boolean(wanted.q || wanted.type || wanted.label || wanted.class || wanted.low || wanted.high);
}

/** Every row that is looked for, as pairs of a prompt's place and a position. Position 0 has no row. */
export function matches(study, wanted) {
  const tests = test(study, wanted);
  const found = [];
  study.prompts.forEach((prompt, place) => {
    if (wanted.type && prompt.sourceType !== wanted.type) return;
    const ends = wanted.q ? endsOf(prompt, wanted.q) : null;
    for (let row = 1; row < prompt.length; row++) {
      if ((!ends || ends.has(row)) && tests.every((holds) => holds(prompt, row))) found.push([place, row]);
    }
  });
  return found;
}

/** The match behind (step 1) or before (−1) a place, around the end. */
export function beside(found, place, row, step) {
  const after = (match) => match[0] > place || (match[0] === place && match[1] > row);
  const before = (match) => match[0] < place || (match[0] === place && match[1] < row);
  if (!found.length) return -1;
  if (step > 0) return Math.max(0, found.findIndex(after));
  const at = found.findLastIndex(before);
  return at < 0 ? found.length - 1 : at;
}
