/** Which chart: the region, the kind of window, and the time. It stays while the views below it change. */

import { get } from "./api.js";
import { combobox } from "./combobox.js";
import { h, icon, write } from "./dom.js";
import { LENGTH, flag, iso, region as nameOf, tick, windowStart } from "./format.js";
import { go, link, state } from "./state.js";

const KINDS = [["hour", "Hour"], ["day", "Day"], ["week", "Week"]];
const SHOWN_IN = ["chart", "movers", "compare", "race", "track"];
const TIMED = ["chart", "movers", "compare", "race"];

let listed;
/** The charts there are now, asked for once in a while. */
export async function charts(signal) {
  if (!listed || Date.now() - listed.at > 60_000) listed = { at: Date.now(), list: await get("/v1/charts", { signal }) };
  return listed.list;
}

export class Toolbar {
  /** The start of the present window, as the chart on the page says. */
  #start = null;
  #now = {};
  #kinds = h("div", { class: "kinds", role: "group", "aria-label": "Window" });
  #regions = h("div", { class: "pickers" });
  #time = h("div", { class: "time", role: "group", "aria-label": "Time" });

  constructor(place) {
    this.place = place;
    place.append(this.#regions, this.#kinds, this.#time);
    this.#picker("region", "Region");
    this.#picker("with", "Compared with");
    for (const [kind, text] of KINDS) this.#kinds.append(h("a", { "data-kind": kind, href: "/" }, text));
    this.back = h("a", { class: "step", "aria-label": "The window before", title: "The window before" }, icon("left"));
    this.forth = h("a", { class: "step", "aria-label": "The window after", title: "The window after" }, icon("right"));
    this.present = h("a", { class: "now" }, "Now");
    this.date = h("input", { type: "date", "aria-label": "Day (UTC)", max: "2108-12-31", min: "1970-01-01", onchange: () => this.#pick() });
    this.hour = h("select", { "aria-label": "Hour (UTC)", onchange: () => this.#pick() });
    for (let hour = 0; hour < 24; hour++) this.hour.append(h("option", { value: hour }, tick("hour", hour * LENGTH.hour)));
    this.#time.append(this.back, h("span", { class: "when" }, this.date, this.hour), this.forth, this.present);
  }

  /** Follows the state of the page. */
  show(now) {
    this.#now = now;
    this.place.hidden = !SHOWN_IN.includes(now.view);
    if (this.place.hidden) return;
    for (const anchor of this.#kinds.children) {
      const { kind } = anchor.dataset;
      anchor.href = link({ window: kind, at: now.at && this.#start !== null ? iso(windowStart(kind, this.#start)) : now.at }, now);
      current(anchor, kind === now.window);
    }
    write(this.region.text, nameOf(now.region));
    write(this.region.flag, flag(now.region));
    this.with.box.hidden = now.view !== "compare";
    if (now.with) (write(this.with.text, nameOf(now.with)), write(this.with.flag, flag(now.with)));
    this.#time.hidden = !TIMED.includes(now.view);
    this.hour.hidden = now.window !== "hour";
    this.at(now.at ? windowStart(now.window, Date.parse(now.at)) : null);
  }

  /** Follows the chart on the page: without it nobody knows what the present window is. */
  at(start) {
    const now = this.#now;
    this.#start = start;
    const step = (by) => link({ at: iso(start + by * LENGTH[now.window]), as_of: undefined }, now);
    for (const [anchor, by, able] of [[this.back, -1, true], [this.forth, 1, Boolean(now.at)]]) {
      if (start !== null && able) anchor.href = step(by);
      else anchor.removeAttribute("href");
      anchor.setAttribute("aria-disabled", String(!anchor.hasAttribute("href")));
    }
    this.present.href = link({ at: undefined, as_of: undefined }, now);
    current(this.present, !now.at && !now.as_of);
    if (start === null) return;
    const [date, time] = iso(start).split("T");
    if (this.date.value !== date) this.date.value = date;
    this.hour.value = String(Number(time.slice(0, 2)));
  }

  #pick() {
    if (!this.date.value) return;
    const { window } = this.#now;
    const time = this.date.valueAsNumber + (window === "hour" ? Number(this.hour.value) * LENGTH.hour : 0);
    go(link({ at: iso(windowStart(window, time)), as_of: undefined }));
  }

  /** A button that says the region, and a field that finds another. */
  #picker(key, label) {
    const text = h("span", { class: "name" });
    const sign = h("span", { class: "flag", "aria-hidden": "true" });
    const id = `pick-${key}`;
    const button = h("button", { type: "button", class: "pick", popovertarget: id, "aria-label": null }, h("span", { class: "said" }, `${label}: `), sign, text, icon("open"));
    const box = combobox({
      label: `${label}, by name or code`,
      placeholder: "Region",
      suggest: async (typed, signal) => found(await charts(signal), typed).map((code) => ({ value: code, content: [h("span", { class: "flag" }, flag(code)), h("span", { class: "name" }, nameOf(code)), h("span", { class: "code" }, code === "global" ? "" : code)] })),
      take: (code) => (panel.hidePopover(), go(link({ [key]: code }))),
      enter(typed, options) {
        const code = options[0]?.value ?? (/^[a-z]{2}$/i.test(typed) ? typed.toUpperCase() : null);
        if (code) (panel.hidePopover(), go(link({ [key]: code })));
      },
    });
    const panel = h("div", { id, popover: "auto", class: "panel" }, box.element);
    panel.addEventListener("toggle", ({ newState }) => newState === "open" && ((box.input.value = ""), place(panel, button), box.input.focus()));
    this[key] = { text, flag: sign, box: h("div", { class: "picker" }, button, panel) };
    this.#regions.append(this[key].box);
  }
}

/** Popovers open in the top layer, under their button. */
function place(panel, button) {
  const { left, bottom } = button.getBoundingClientRect();
  panel.style.left = `${Math.max(8, Math.min(left, innerWidth - panel.offsetWidth - 8))}px`;
  panel.style.top = `${bottom + 6}px`;
}

function current(anchor, is) {
  if (is) anchor.setAttribute("aria-current", "true");
  else anchor.removeAttribute("aria-current");
}

/** The regions whose name or code begins with what was typed, then those that contain it. */
function found({ regions }, typed) {
  const wanted = fold(typed);
  const rank = (code) => {
    const name = fold(nameOf(code));
    if (!wanted) return code === "global" ? 0 : 1;
    if (fold(code) === wanted || name.startsWith(wanted)) return 0;
    return name.includes(wanted) ? 1 : 2;
  };
  return [...regions]
    .filter((code) => rank(code) < 2)
    .sort((a, b) => rank(a) - rank(b) || nameOf(a).localeCompare(nameOf(b)));
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
