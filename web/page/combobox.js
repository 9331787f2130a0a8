/** A text field with suggestions, as ARIA's combobox has it: arrows choose, Enter takes, Escape leaves. */

import { h } from "./dom.js";

let made = 0;

/**
 * `suggest(text, signal)` gives `[{value, content, group?}]`; `take(value)` is told of the choice, `enter(text)` of
 * Enter without one. `wait` holds questions back while somebody is typing.
 */
export function combobox({ label, placeholder, suggest, take, enter = () => {}, wait = 0 }) {
  const id = `list-${++made}`;
  const list = h("div.options", { id, role: "listbox", "aria-label": label, hidden: true });
  const input = h("input", {
    type: "search", role: "combobox", "aria-label": label, "aria-controls": id, "aria-expanded": "false",
    "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", placeholder, enterkeyhint: "search",
  });
  const element = h("div.combobox", input, list);
  let options = [];
  let active = -1;
  let asking = new AbortController();
  let timer;
  /** What the options answer: keys may come faster than answers. */
  let answered;

  function open(shown) {
    list.hidden = !shown;
    input.setAttribute("aria-expanded", String(shown));
    if (!shown) activate(-1);
  }

  function activate(place) {
    options[active]?.element?.removeAttribute("aria-selected");
    active = place;
    const chosen = options[place]?.element;
    chosen?.setAttribute("aria-selected", "true");
    chosen?.scrollIntoView({ block: "nearest" });
    if (chosen) input.setAttribute("aria-activedescendant", chosen.id);
    else input.removeAttribute("aria-activedescendant");
  }

  /** Whether the options answer what stands in the field. */
  async function known() {
    const text = input.value.trim();
    if (answered !== text) await refresh();
    return answered === text;
  }

  async function refresh() {
    clearTimeout(timer);
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const text = input.value.trim();
    try {
      const found = await suggest(text, signal);
      if (signal.aborted) return;
      answered = text;
      options = found.map((option, place) => ({
        ...option,
        element: h("div.option", { role: "option", id: `${id}-${place}`, onpointerdown: (event) => (event.preventDefault(), choose(place)) }, option.content),
      }));
      list.replaceChildren(...options.map((option) => option.element));
      active = -1;
      input.removeAttribute("aria-activedescendant");
      open(options.length > 0 && document.activeElement === input);
    } catch (error) {
      if (error.name !== "AbortError") open(false);
    }
  }

  function choose(place) {
    open(false);
    take(options[place].value);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, wait);
  });
  input.addEventListener("focus", refresh);
  input.addEventListener("blur", () => {
    clearTimeout(timer);
    asking.abort();
    open(false);
  });
  input.addEventListener("keydown", async (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!(await known()) || !options.length) return;
      open(true);
      activate((Math.max(active, step < 0 ? 0 : -1) + step + options.length) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const found = (await known()) ? options : [];
      if (!list.hidden && active >= 0) choose(active);
      else (open(false), enter(input.value.trim(), found));
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      open(false);
    }
  });
  return { element, input };
}
