/** Elements in one line; styles go through the CSSOM, since the page's CSP allows no inline style. */

const SVG = "http://www.w3.org/2000/svg";

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An icon of the sheet in index.html. */
export const icon = (name) => s("svg", { class: "icon", "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));

/** Writes only what changed: a write is a layout, a comparison is not. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Says something to screen readers, politely, and not twice within a few seconds. */
const SAY_EVERY_MS = 8000;
let saidAt = -SAY_EVERY_MS;
export function say(text, now = false) {
  if (!now && performance.now() - saidAt < SAY_EVERY_MS) return;
  saidAt = performance.now();
  document.getElementById("said").textContent = text;
}

/** A message with what to do about it. */
export function notice(title, text, ...actions) {
  return h("div", { class: "notice" }, h("h2", {}, title), h("p", {}, text), actions.length ? h("p", { class: "actions" }, actions) : null);
}

/** A plain table: columns are `[heading, cell of a row, "number"?]`. */
export function table(label, columns, rows) {
  const cells = (row) => columns.map(([, cell, kind]) => h("td", { class: kind }, cell(row)));
  return h("div", { class: "table" }, h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, columns.map(([text, , kind]) => h("th", { class: kind, scope: "col" }, text)))), h("tbody", {}, rows.map((row) => h("tr", {}, cells(row))))));
}
