/** Elements in one line; styles go through the CSSOM, since the page's CSP allows no inline style. */

const SVG = "http://www.w3.org/2000/svg";

/** `h("a.title", {href}, …children)`: tag and classes, attributes and `on…` listeners if any, children. */
export const h = (selector, ...rest) => build(undefined, selector, rest);
export const s = (selector, ...rest) => build(SVG, selector, rest);

function build(space, selector, rest) {
  const [tag, ...classes] = selector.split(".");
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  const props = rest[0]?.constructor === Object ? rest.shift() : {};
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...rest.flat(3).filter((child) => child || child === 0));
  return element;
}

/** A copy of a template of index.html, and its parts by name. */
export function stamp(name) {
  const element = document.getElementById(`t-${name}`).content.firstElementChild.cloneNode(true);
  const parts = [...element.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]);
  return { element, ...Object.fromEntries(parts) };
}

export const icon = (name) => s("svg.icon", { "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));
export const button = (text, onclick, kind = "plain") => h(`button.${kind}`, { type: "button", onclick }, text);

/** Writes only what changed: a write is a layout, a comparison is not. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The same for elements: what says the same stays, since somebody may be pressing it, or have the focus there. */
export function fill(place, ...content) {
  const same = content.length === place.childNodes.length && content.every((node, at) => node.isEqualNode(place.childNodes[at]));
  if (!same) place.replaceChildren(...content);
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Says something to screen readers; what is not asked for, at most every few seconds. */
const SAY_EVERY_MS = 8000;
let saidAt = -SAY_EVERY_MS;
export function say(text, now = false) {
  if (!now && performance.now() - saidAt < SAY_EVERY_MS) return;
  saidAt = performance.now();
  document.getElementById("said").textContent = text;
}

/** A message with what to do about it. */
export const notice = (title, text, ...actions) => h("div.notice", h("h2", title), h("p", text), h("p.actions", actions));

/** A plain table: columns are `[heading, cell of a row, "number"?]`. */
export function table(label, columns, rows) {
  const row = (tag, cell) => h("tr", columns.map((column) => h(tag, { class: column[2] }, cell(column))));
  return h("div.table", { tabindex: 0, role: "region", "aria-label": label }, h("table", h("thead", row("th", ([text]) => text)), h("tbody", rows.map((one) => row("td", ([, cell]) => cell(one))))));
}
