"use strict";
// Leafs through sampled rows of one head. All text of the data goes into the page as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const by = (id) => document.getElementById(id);
  const state = { token: "all", key: "", index: 0 };
  const TOP = 8;

  const keyOf = (group) => `${group.taxonomy}:${group.label}`;
  const groupsOf = (token) => data.groups.filter((group) => group.token === token && group.rows.length);
  const current = () => groupsOf(state.token).find((group) => keyOf(group) === state.key);

  function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function fillTokens() {
    const names = [...new Set(data.groups.map((group) => group.token))].filter((name) => groupsOf(name).length);
    for (const name of names) {
      const option = element("option", name === "all" ? "all tokens" : name);
      option.value = name;
      by("token").append(option);
    }
  }

  function fillLabels() {
    const groups = groupsOf(state.token);
    const several = new Set(groups.map((group) => group.taxonomy)).size > 1;
    by("label").replaceChildren();
    for (const group of groups) {
      const name = several ? `${group.taxonomy}: ${group.label}` : group.label;
      const option = element("option", `${name} (${group.total.toLocaleString("en")})`);
      option.value = keyOf(group);
      by("label").append(option);
    }
    if (!groups.some((group) => keyOf(group) === state.key)) state.key = keyOf(groups[0]);
    by("label").value = state.key;
  }

  function rowAt(index) {
    const rows = data.rows;
    const weights = unpack(rows.weights[index]).map((value) => value / 65535);
    const tokens = unpack(data.prompts[rows.prompt[index]]).slice(0, weights.length).map((place) => data.tokens[place]);
    const labels = Object.entries(rows.labels).map(([taxonomy, all]) => [taxonomy, all[index]]);
    return { weights, tokens, labels, prompt: data.numbers[rows.prompt[index]], position: rows.position[index] };
  }

  function describe(row, j) {
    const weight = row.weights[j].toFixed(3);
    return `${row.tokens[j][1]}\nweight ${weight} · position ${j} · token id ${row.tokens[j][0]}`;
  }

  function show() {
    const group = current();
    state.index = Math.min(Math.max(state.index, 0), group.rows.length - 1);
    const row = rowAt(group.rows[state.index]);
    by("place").textContent = `${state.index + 1} of ${group.rows.length}`;
    showCaption(row);
    showText(row);
    showTop(row);
    const fragment = new URLSearchParams({ token: state.token, label: state.key, row: String(state.index + 1) });
    history.replaceState(null, "", `#${fragment}`);
  }

  function showCaption(row) {
    const caption = by("caption");
    caption.replaceChildren(`Prompt ${row.prompt}, position ${row.position}: `);
    for (const [taxonomy, label] of row.labels) {
      const chip = element("span", label, "chip");
      const colour = data.colours[label];
      if (colour) {
        chip.style.background = colour;
        chip.style.color = brightness(colour) > 140 ? "#1f2328" : "#ffffff";
      }
      caption.append(`${taxonomy} `, chip, " ");
    }
  }

  function brightness(colour) {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return 0.3 * red + 0.59 * green + 0.11 * blue;
  }

  function showText(row) {
    const last = row.tokens.length - 1;
    const pieces = row.tokens.map(([, label, breaks], j) => {
      const piece = element("span", label, j === last ? "destination" : "");
      piece.dataset.position = String(j);
      piece.style.setProperty("--weight", (0.85 * Math.sqrt(row.weights[j])).toFixed(3));
      return breaks ? [piece, "\n"] : [piece];
    });
    by("text").replaceChildren(...pieces.flat());
    by("text").setAttribute("aria-label", `Text up to ${row.tokens[last][1]}; the more attention, the darker.`);
    by("text").querySelector(".destination").scrollIntoView({ block: "nearest" });
    by("tip").hidden = true;
    by("text").row = row;
  }

  function showTop(row) {
    const order = row.weights.map((_, j) => j).sort((a, b) => row.weights[b] - row.weights[a]).slice(0, TOP);
    const lines = order.map((j) => {
      const line = element("tr");
      const bar = element("i");
      bar.style.width = `${8 * row.weights[j]}rem`;
      const cell = element("td", `${row.weights[j].toFixed(3)} `);
      cell.append(bar);
      line.append(element("td", row.tokens[j][1]), element("td", `position ${j}`), cell);
      line.addEventListener("mouseenter", () => mark(j, true));
      line.addEventListener("mouseleave", () => mark(j, false));
      return line;
    });
    by("top").tBodies[0].replaceChildren(...lines);
  }

  function mark(j, on) {
    by("text").querySelector(`[data-position="${j}"]`).classList.toggle("marked", on);
  }

  function pointAt(event) {
    const piece = event.target.closest("[data-position]");
    const tip = by("tip");
    tip.hidden = !piece;
    if (!piece) return;
    tip.textContent = describe(by("text").row, Number(piece.dataset.position));
    const box = piece.getBoundingClientRect();
    tip.style.left = `${Math.min(box.left, window.innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${box.bottom + tip.offsetHeight + 8 > window.innerHeight ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
  }

  function move(step) {
    const count = current().rows.length;
    state.index = (state.index + step + count) % count;
    show();
  }

  function moveLabel(step) {
    const keys = groupsOf(state.token).map(keyOf);
    state.key = keys[(keys.indexOf(state.key) + step + keys.length) % keys.length];
    by("label").value = state.key;
    state.index = 0;
    show();
  }

  function random() {
    state.index = Math.floor(Math.random() * current().rows.length);
    show();
  }

  const KEYS = {
    ArrowRight: () => move(1),
    ArrowLeft: () => move(-1),
    ArrowDown: () => moveLabel(1),
    ArrowUp: () => moveLabel(-1),
    r: random,
  };

  function readFragment() {
    const given = new URLSearchParams(location.hash.slice(1));
    const token = given.get("token");
    if (token !== null && groupsOf(token).length) state.token = token;
    state.key = given.get("label") ?? state.key;
    state.index = (Number.parseInt(given.get("row") ?? "1", 10) || 1) - 1;
    by("token").value = state.token;
    fillLabels();
    show();
  }

  by("head").textContent = data.head;
  document.title = `Rows of head ${data.head} (${data.study})`;
  by("about").textContent =
    `${data.rows.prompt.length.toLocaleString("en")} rows of ${data.model}, drawn at random within each kind. ` +
    "The destination is framed; the darker a token, the more of the head's attention goes to it. " +
    "In brackets: how many rows of this kind the study has.";
  document.documentElement.style.setProperty("--destination", data.destination);
  fillTokens();
  by("token").addEventListener("change", (event) => {
    state.token = event.target.value;
    state.index = 0;
    fillLabels();
    show();
  });
  by("label").addEventListener("change", (event) => {
    state.key = event.target.value;
    state.index = 0;
    show();
  });
  by("previous").addEventListener("click", () => move(-1));
  by("next").addEventListener("click", () => move(1));
  by("random").addEventListener("click", random);
  by("text").addEventListener("mouseover", pointAt);
  by("text").addEventListener("mouseleave", () => { by("tip").hidden = true; });
  window.addEventListener("hashchange", readFragment);
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  readFragment();
})();
