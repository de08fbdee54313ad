// What is shown, as the part of an address behind "#", and back.

const TEXTS = ["prompt", "q", "type", "label", "class"];
const NUMBERS = ["row", "low", "high"];

export const NOTHING = { head: "", prompt: "", row: 0, q: "", type: "", label: "", class: "", low: 0, high: 0, fold: false };

/** Read an address; what is not in it, or makes no sense, is as in NOTHING. */
export function readAddress(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const found = { ...NOTHING, head: given.get("head") ?? "", fold: given.get("fold") === "1" };
  for (const name of TEXTS) found[name] = given.get(name) ?? "";
  for (const name of NUMBERS) {
    const value = Number(given.get(name) ?? 0);
    found[name] = Number.isFinite(value) && value > 0 ? value : 0;
  }
  found.row = Math.floor(found.row);
  return found;
}

/** Write an address; what is as in NOTHING is left out. */
export function writeAddress(shown) {
  const given = new URLSearchParams();
  for (const [name, nothing] of Object.entries(NOTHING)) {
    if (shown[name] !== nothing) given.set(name, shown[name] === true ? "1" : String(shown[name]));
  }
  return `#${given}`;
}
