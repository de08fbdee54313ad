// The prompts of the page and what is known of their rows. What is large is decoded when it is first needed.
import { integers16, integers8, singles } from "explorer/coding";
import { attention, sides } from "explorer/rows";

const BITS = 4000; // an entropy is kept in such parts of a bit
const NONE = "none";

function lazily(make) {
  let made;
  return () => (made ??= make());
}

function open(prompt, data) {
  const codes = lazily(() => integers16(prompt.tokens));
  const both = lazily(() => sides(prompt));
  const entropies = lazily(() => integers16(prompt.entropy));
  const classes = lazily(() => integers8(prompt.classes));
  const clean = lazily(() => singles(prompt.clean));
  const ablated = lazily(() => singles(prompt.ablated));
  const labels = Object.fromEntries(
    Object.entries(prompt.labels).map(([taxonomy, text]) => [taxonomy, lazily(() => integers16(text))]),
  );
  const others = lazily(() => ({
    source: integers16(prompt.others.source),
    weight: integers8(prompt.others.weight),
  }));
  return {
    name: prompt.name,
    kind: prompt.kind,
    source: prompt.source,
    sourceType: prompt.sourceType,
    length: prompt.length,
    /** Token id, label, and whether a line ends with it; at `length` the token that follows, if it is known. */
    token: (j) => data.tokens[codes()[j]],
    weights: (row) => attention(both(), row),
    entropy: (row) => entropies()[row] / BITS,
    label: (taxonomy, row) => data.labels[taxonomy][labels[taxonomy]()[row - 1]],
    class: (row) => data.classes[classes()[row - 1]] ?? NONE,
    /** Log probability of the next token, as it is and with the row ablated; undefined where unknown. */
    clean: (row) => clean()[row - 1],
    ablated: (row) => ablated()[row - 1],
    measured: (row) => prompt.measured[String(row)] ?? {},
    /** Top source and weight of every other head. */
    others: (row) =>
      data.others.map((head, place) => {
        const at = place * prompt.length + row;
        return { head, source: others().source[at], weight: others().weight[at] / 255 };
      }),
  };
}

export function openStudy(data) {
  const prompts = data.prompts.map((prompt) => open(prompt, data));
  return {
    ...data,
    prompts,
    taxonomies: Object.keys(data.labels),
    sourceTypes: [...new Set(prompts.map((prompt) => prompt.sourceType))],
    find: (name) => prompts.findIndex((prompt) => prompt.name === name),
    total: (taxonomy, label) => data.totals.find(([of, name]) => of === taxonomy && name === label)?.[2] ?? 0,
  };
}
