// The prompts of the page and what is known of their rows. What is large is decoded when it is first needed.

export const NONE = "none"; // class of a row that no class of edges dominates
const WHOLE = 65535; // a mass or probability of 1
const FIRST = 5; // predictions of every row
const METHODS = { bos: "all its attention on BOS", mean: "its mean output instead", zero: "it writes nothing" };

function numbers(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}

/** Queries or keys: multiples of a step, one for every dimension, or as they are; positions follow each other. */
export function side([steps, text]) {
  if (!steps) return numbers(text, Float32Array);
  const step = numbers(steps, Float32Array);
  return Float32Array.from(numbers(text, Int16Array), (value, i) => value * step[i % step.length]);
}

/** The attention of one destination to itself and every source before it: sums to 1. */
export function attention({ query, key, width, window, softcap }, destination) {
  const first = window ? Math.max(0, destination + 1 - window) : 0;
  const weights = new Float32Array(destination + 1).fill(-Infinity);
  for (let source = first; source <= destination; source++) {
    let score = 0;
    for (let d = 0; d < width; d++) score += query[destination * width + d] * key[source * width + d];
    weights[source] = softcap ? softcap * Math.tanh(score / softcap) : score;
  }
  const largest = weights.reduce((a, b) => Math.max(a, b));
  const unscaled = weights.map((score) => Math.exp(score - largest));
  const sum = unscaled.reduce((a, b) => a + b);
  return unscaled.map((weight) => weight / sum);
}

/** In bits. */
export const entropy = (weights) => weights.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);

/** The sources with most attention, most first. */
export function topSources(weights, count) {
  return Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b).slice(0, count);
}

function lazily(make) {
  let made;
  return () => (made ??= make());
}

/** What the last token's prediction is, and loses with the head ablated at each position. */
function lastPrediction(last, named) {
  const ablated = numbers(last.ablated, Float32Array);
  return { label: named(last.answer).label, clean: last.clean, lost: (row) => last.clean - ablated[row - 1] };
}

function open(prompt, { tokens, classes }) {
  const named = (id) => ({ id, label: tokens[id][0], breaks: tokens[id][1] });
  const first = lazily(() => Object.entries(prompt.predictions).map(([name, [text, probabilities]]) =>
    [name, numbers(text, Uint32Array), numbers(probabilities, Uint16Array)]));
  const ids = lazily(() => numbers(prompt.tokens, Uint32Array));
  const of = Object.fromEntries(["clean", "ablated", "costs"].map((name) => [name, lazily(() => numbers(prompt[name], Float32Array))]));
  const masses = lazily(() => numbers(prompt.masses, Uint16Array));
  const sides = lazily(() => {
    const [query, key] = prompt.sides.map(side);
    return { query, key, width: query.length / prompt.length, window: prompt.window, softcap: prompt.softcap };
  });
  const codes = lazily(() => Object.fromEntries(
    Object.entries(prompt.labels).map(([taxonomy, { codes: text }]) => [taxonomy, numbers(text, Uint16Array)])));
  const weights = (row) => attention(sides(), row);
  const entropies = lazily(() => Array.from({ length: prompt.length }, (_, row) => entropy(weights(row))));
  const edges = (row) => classes.map((name, place) => {
    const at = (row - 1) * classes.length + place;
    return { name, mass: masses()[at] / WHOLE, cost: of.costs()[at] };
  });
  return {
    ...prompt,
    /** At `length` the token that follows, if it is known. */
    token: (j) => (j < ids().length ? named(ids()[j]) : null),
    weights,
    entropy: (row) => entropies()[row],
    label: (taxonomy, row) => prompt.labels[taxonomy].names[codes()[taxonomy][row - 1]],
    /** Mass, and cost where it was measured, of every class of edges. */
    edges,
    class: (row) => edges(row).find(({ mass }) => mass >= 0.5)?.name ?? NONE,
    /** Log probability of the next token, as it is and with the row ablated; undefined where unknown. */
    clean: (row) => of.clean()[row - 1],
    ablated: (row) => of.ablated()[row - 1],
    /** First predictions after a token, most probable first: pairs of label and probability, clean and ablated. */
    predictions: (row) => Object.fromEntries(first().map(([name, found, probabilities]) => [
      name,
      Array.from({ length: FIRST }, (_, place) => (row - 1) * FIRST + place)
        .map((at) => [named(found[at]).label, probabilities[at] / WHOLE]),
    ])),
    /** Probability that the next token loses where the head is ablated at this one; 0 where unknown. */
    lost: (row) => Math.exp(of.clean()[row - 1]) - Math.exp(of.ablated()[row - 1]) || 0,
    last: prompt.last ? lastPrediction(prompt.last, named) : null,
  };
}

export function openStudy(data) {
  const prompts = data.prompts.map((prompt) => open(prompt, data));
  const taxonomies = Object.keys(prompts[0].labels);
  const known = (taxonomy) => new Set(data.prompts.flatMap((prompt) => prompt.labels[taxonomy].names));
  return {
    ...data,
    method: METHODS[data.method] ?? data.method,
    prompts,
    taxonomies,
    labels: taxonomies.flatMap((taxonomy) =>
      Object.keys(data.colours).filter((label) => known(taxonomy).has(label)).map((label) => `${taxonomy}:${label}`)),
    sourceTypes: [...new Set(prompts.map((prompt) => prompt.sourceType))],
    find: (name) => prompts.findIndex((prompt) => prompt.name === name),
  };
}
