// Which rows are looked for, and what is shown, as the part of an address behind "#", and back.

const TEXTS = ["head", "prompt", "q", "type", "label", "class", "view", "x", "y", "colour", "chosen"];
const NUMBERS = ["position", "low", "high"];
export const NOTHING = Object.fromEntries([...TEXTS.map((name) => [name, ""]), ...NUMBERS.map((name) => [name, 0])]);

/** Read an address; what is not in it, or makes no sense, is as in NOTHING. */
export function readAddress(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const texts = TEXTS.map((name) => [name, given.get(name) ?? ""]);
  const numbers = NUMBERS.map((name) => [name, Math.min(Math.max(0, Number(given.get(name)) || 0), 1e9)]);
  const found = Object.fromEntries([...texts, ...numbers]);
  return { ...found, position: Math.floor(found.position) };
}

/** Write an address; what is as in NOTHING is left out. */
export function writeAddress(shown) {
  return `#${new URLSearchParams(Object.entries(shown).filter(([name, value]) => value !== NOTHING[name]))}`;
}

/** Spaces and ends of lines as labels write them; case does not matter. */
const asLabels = (text) => text.replaceAll("\n", "⏎").replaceAll("\\n", "⏎").replaceAll(" ", "·").toLowerCase();

/** The tokens at which an occurrence of the text ends. */
function endsOf(prompt, text) {
  const wanted = asLabels(text);
  const labels = Array.from({ length: prompt.length }, (_, j) => prompt.token(j).label.toLowerCase());
  const token = labels.flatMap((label, j) => Array(label.length).fill(j));
  const joined = labels.join("");
  const found = new Set();
  for (let at = joined.indexOf(wanted); at >= 0; at = joined.indexOf(wanted, at + 1)) found.add(token[at + wanted.length - 1]);
  return found;
}

export const isAsked = (wanted) => ["q", "type", "label", "class", "low", "high"].some((name) => wanted[name]);

/** Every row that is looked for, as pairs of a prompt's place and a position. Position 0 has no row. */
export function matches(study, { q, type, label, class: name, low, high }) {
  const [taxonomy, ...rest] = label.split(":");
  const tests = [
    label && ((prompt, row) => prompt.label(taxonomy, row) === rest.join(":")),
    name && ((prompt, row) => prompt.class(row) === name),
    low && ((prompt, row) => prompt.entropy(row) >= low),
    high && ((prompt, row) => prompt.entropy(row) <= high),
  ].filter(Boolean);
  return study.prompts.flatMap((prompt, place) => {
    if (type && prompt.sourceType !== type) return [];
    const ends = q ? endsOf(prompt, q) : null;
    const rows = Array.from({ length: prompt.length - 1 }, (_, before) => before + 1);
    return rows
      .filter((row) => (!ends || ends.has(row)) && tests.every((holds) => holds(prompt, row)))
      .map((row) => [place, row]);
  });
}

/** The match behind (step 1) or before (−1) a place, around the end; −1 if there is none. */
export function beside(found, place, row, step) {
  const order = (match) => Math.sign(match[0] - place || match[1] - row);
  if (!found.length) return -1;
  if (step > 0) return Math.max(0, found.findIndex((match) => order(match) > 0));
  const at = found.findLastIndex((match) => order(match) < 0);
  return at < 0 ? found.length - 1 : at;
}
