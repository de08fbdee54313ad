// What the keyboard does. Letters do nothing while something is being written, and can be turned off.

export const KEYS = {
  ArrowRight: "on",
  ArrowLeft: "back",
  Home: "first",
  End: "last",
  n: "next",
  p: "previous",
  r: "random",
  "]": "nextPrompt",
  "[": "previousPrompt",
  0: "destination",
  f: "fold",
  s: "save",
  t: "table",
  "/": "search",
  "?": "help",
};

const WRITING = ["INPUT", "SELECT", "TEXTAREA"];

/** The name of what a key asks for, with the number of the source for 1 to 8; or null. */
export function asked(event, letters) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const target = event.target;
  if (WRITING.includes(target.tagName) && target.type !== "checkbox") return null;
  if (event.key.length === 1 && !letters) return null;
  if (/^[1-8]$/.test(event.key)) return { name: "source", number: Number(event.key) };
  return KEYS[event.key] ? { name: KEYS[event.key] } : null;
}
