// Numbers out of base64: little-endian bytes, 16-bit integers, single precision, rounded numbers.

function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function read(text, size, get) {
  const raw = bytes(text);
  const view = new DataView(raw.buffer);
  return { count: raw.length / size, at: (i) => get(view, size * i) };
}

export function integers8(text) {
  return bytes(text);
}

export function integers16(text) {
  const { count, at } = read(text, 2, (view, i) => view.getUint16(i, true));
  return Uint16Array.from({ length: count }, (_, i) => at(i));
}

export function singles(text) {
  const { count, at } = read(text, 4, (view, i) => view.getFloat32(i, true));
  return Float32Array.from({ length: count }, (_, i) => at(i));
}

/** Numbers that were rounded to multiples of a step, one for every dimension; positions follow each other. */
export function multiples(steps, text) {
  const step = singles(steps);
  const { count, at } = read(text, 2, (view, i) => view.getInt16(i, true));
  return Float32Array.from({ length: count }, (_, i) => at(i) * step[i % step.length]);
}
