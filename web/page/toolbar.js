/** Which chart: the region, the kind of window, and the time. It stays while the views below it change. */

import { get } from "./api.js";
import { combobox } from "./combobox.js";
import { h, stamp, write } from "./dom.js";
import { LENGTH, flag, iso, region as nameOf, tick, windowStart } from "./format.js";
import { go, link } from "./state.js";

const TIMED = ["chart", "movers", "compare", "race"];
const LIST_MS = 60_000;
const at = (id) => document.getElementById(id);
const [bar, time, date, hour] = ["bar", "time", "date", "hour"].map(at);
const pickers = { region: picker("region", "Region"), with: picker("with", "Compared with") };
let now = {};
/** The present window of each kind, as far as a live chart has said. */
const present = {};
let listed;

hour.append(...Array.from({ length: 24 }, (_, n) => h("option", { value: n }, tick("hour", n * LENGTH.hour))));
for (const field of [date, hour]) field.addEventListener("change", pick);

/** The charts there are now, asked for once in a while. */
export async function charts(signal) {
  if (!listed || Date.now() - listed.at > LIST_MS) listed = { at: Date.now(), list: await get("/v1/charts", { signal }) };
  return listed.list;
}

/** Follows the state of the page. */
export function toolbar(next) {
  now = next;
  bar.hidden = ![...TIMED, "track"].includes(now.view);
  time.hidden = !TIMED.includes(now.view);
  hour.hidden = now.window !== "hour";
  pickers.with.element.hidden = now.view !== "compare";
  for (const [key, { name, flag: sign }] of Object.entries(pickers)) {
    write(name, now[key] ? nameOf(now[key]) : "");
    write(sign, now[key] ? flag(now[key]) : "");
  }
  for (const anchor of at("kinds").children) point(anchor, { window: anchor.dataset.kind, at: now.at && iso(windowStart(anchor.dataset.kind, Date.parse(now.at))) }, anchor.dataset.kind === now.window);
  point(at("now"), { at: undefined, as_of: undefined }, !now.at && !now.as_of);
  showTime(now.at && windowStart(now.window, Date.parse(now.at)));
}

/** Follows the chart on the page: without it nobody knows what the present window is. */
export function showTime(start) {
  if (!now.at) present[now.window] = start;
  const step = (anchor, by, able) => {
    const to = start + by * LENGTH[now.window];
    if (able && start !== undefined) point(anchor, { at: to === present[now.window] ? undefined : iso(to), as_of: undefined });
    else anchor.removeAttribute("href");
    anchor.setAttribute("aria-disabled", String(!anchor.hasAttribute("href")));
  };
  step(at("back"), -1, true);
  step(at("forth"), 1, now.at);
  if (start === undefined) return;
  const [day, clock] = iso(start).split("T");
  if (date.value !== day) date.value = day;
  hour.value = Number(clock.slice(0, 2));
}

function point(anchor, changes, current) {
  anchor.href = link(changes, now);
  if (current) anchor.setAttribute("aria-current", "true");
  else anchor.removeAttribute("aria-current");
}

function pick() {
  if (!date.value) return;
  const start = date.valueAsNumber + (now.window === "hour" ? hour.value * LENGTH.hour : 0);
  go(link({ at: iso(windowStart(now.window, start)), as_of: undefined }));
}

/** A button that says the region, and a field that finds another. */
function picker(key, label) {
  const parts = stamp("pick");
  const { panel, element } = parts;
  const button = element.firstElementChild;
  const take = (code) => code && (panel.hidePopover(), go(link({ [key]: code })));
  const { element: box, input } = combobox({
    label: `${label}, by name or code`,
    placeholder: "Region",
    suggest: async (typed, signal) => found((await charts(signal)).regions, fold(typed)).map((code) => ({ value: code, content: [h("span.flag", flag(code)), nameOf(code), h("span.code", code)] })),
    take,
    enter: (typed, [first]) => take(first?.value ?? (/^[a-z]{2}$/i.test(typed) && typed.toUpperCase())),
  });
  write(parts.label, `${label}: `);
  panel.append(box);
  panel.id = `pick-${key}`;
  button.setAttribute("popovertarget", panel.id);
  // The browser gives the field the keys as it opens, not a moment later.
  input.autofocus = true;
  panel.addEventListener("beforetoggle", () => (input.value = ""));
  panel.addEventListener("toggle", ({ newState }) => {
    if (newState !== "open") return;
    // Popovers open in the top layer: under their button is for us to say.
    const { left, bottom } = button.getBoundingClientRect();
    panel.style.left = `${Math.max(8, Math.min(left, innerWidth - panel.offsetWidth - 8))}px`;
    panel.style.top = `${bottom + 6}px`;
  });
  at("regions").append(element);
  return parts;
}

/** Those whose name or code begins with what was typed, then those that contain it. */
function found(regions, wanted) {
  const rank = (code) => (code === "global" && !wanted ? -1 : fold(code) === wanted || fold(nameOf(code)).startsWith(wanted) ? 0 : fold(nameOf(code)).includes(wanted) ? 1 : 2);
  return regions.filter((code) => rank(code) < 2).sort((a, b) => rank(a) - rank(b) || nameOf(a).localeCompare(nameOf(b)));
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
