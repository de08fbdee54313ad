// Rows of attention from queries and keys: nothing else is kept of a pattern.
import { multiples } from "explorer/coding";

/** Sum of the pieces of queries or keys: one, or two where 16 bits alone are too coarse. */
function whole(pieces) {
  const sum = multiples(...pieces[0]);
  for (const piece of pieces.slice(1)) multiples(...piece).forEach((value, i) => { sum[i] += value; });
  return sum;
}

/** Queries and keys of a prompt, `width` numbers at every position. */
export function sides(prompt) {
  const [query, key] = prompt.scores.map(whole);
  return { query, key, width: query.length / prompt.length, window: prompt.window, softcap: prompt.softcap };
}

/** The attention of one destination to itself and every source before it: sums to 1. */
export function attention({ query, key, width, window, softcap }, destination) {
  const first = window ? Math.max(0, destination + 1 - window) : 0;
  const weights = new Float32Array(destination + 1);
  let largest = -Infinity;
  for (let source = first; source <= destination; source++) {
    let score = 0;
    for (let d = 0; d < width; d++) score += query[destination * width + d] * key[source * width + d];
    if (softcap) score = softcap * Math.tanh(score / softcap);
    weights[source] = score;
    largest = Math.max(largest, score);
  }
  let sum = 0;
  for (let source = first; source <= destination; source++) {
    weights[source] = Math.exp(weights[source] - largest);
    sum += weights[source];
  }
  for (let source = first; source <= destination; source++) weights[source] /= sum;
  return weights;
}

/** The sources with most attention, most first. */
export function topSources(weights, count) {
  return Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b).slice(0, count);
}
