// Numbers out of base64: little-endian bytes, 16-bit integers, half and single precision.

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

/** The number that 16 bits stand for: a sign, five bits of exponent, ten of fraction (IEEE 754). */
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
}

export function halves(text) {
  return Float32Array.from(integers16(text), half);
}
