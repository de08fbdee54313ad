// A row as a picture (SVG): the text up to the destination, shaded by attention, the destination framed.

const COLUMNS = 96;
const WIDTH = 7.3; // of a character
const HEIGHT = 19;
const SHADE = "#d6336c";

export function escapeXml(text) {
  const names = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&apos;" };
  return text.replace(/[<>&"']/g, (character) => names[character]);
}

/** Where every token stands: line and column; a token that does not fit begins the next line. */
export function layOut(tokens) {
  let line = 0;
  let column = 0;
  return tokens.map(([, label, breaks]) => {
    const length = [...label].length;
    if (column && column + length > COLUMNS) [line, column] = [line + 1, 0];
    const place = { line, column, length };
    [line, column] = breaks ? [line + 1, 0] : [line, column + length];
    return place;
  });
}

function box({ line, column, length }, label, weight, frame) {
  const at = { x: (column * WIDTH + 8).toFixed(1), y: line * HEIGHT + 8, width: (length * WIDTH).toFixed(1) };
  const stroke = frame ? ` stroke="${frame}" stroke-width="2"` : "";
  const class_ = frame ? ' class="destination"' : "";
  return (
    `<rect${class_} x="${at.x}" y="${at.y}" width="${at.width}" height="${HEIGHT - 3}" rx="2" ` +
    `fill="${SHADE}" fill-opacity="${(0.85 * Math.sqrt(weight)).toFixed(3)}"${stroke}>` +
    `<title>${escapeXml(label)}: weight ${weight.toFixed(3)}</title></rect>` +
    `<text x="${at.x}" y="${at.y + 12}" textLength="${at.width}">${escapeXml(label)}</text>`
  );
}

export function rowPicture(prompt, weights, about, frame) {
  const last = weights.length - 1;
  const tokens = Array.from(weights, (_, j) => prompt.token(j));
  const places = layOut(tokens);
  const boxes = places.map((place, j) => box(place, tokens[j][1], weights[j], j === last ? frame : ""));
  const width = Math.ceil(Math.max(...places.map((place) => place.column + place.length)) * WIDTH) + 16;
  const height = (places[last].line + 1) * HEIGHT + 16;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12" fill="#22262b">` +
    `<title>${escapeXml(about)}</title><rect width="100%" height="100%" fill="#ffffff"/>${boxes.join("")}</svg>`
  );
}
