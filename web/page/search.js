/** The search field of the masthead: `/` gets there, suggestions come as one types, Enter shows them all. */

import { get, query } from "./api.js";
import { combobox } from "./combobox.js";
import { h } from "./dom.js";
import { sleeve } from "./sleeve.js";
import { go, link, onState, state } from "./state.js";

const TYPING_MS = 90;

export function searchBox(place) {
  const box = combobox({
    label: "Search tracks, artists and albums",
    placeholder: "Search",
    wait: TYPING_MS,
    suggest: async (text, signal) => (text ? (await suggestions(text, signal)).map((hit) => ({ value: hit, content: shown(hit) })) : []),
    take(hit) {
      box.input.value = "";
      box.input.blur();
      go(address(hit));
    },
    enter(text) {
      if (!text) return;
      box.input.blur();
      go(link({ view: "search", q: text }));
    },
  });
  place.append(box.element, h("kbd", { "aria-hidden": "true" }, "/"));
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    box.input.select();
    box.input.focus();
  });
  const follow = () => (box.input.value = state().view === "search" ? (state().q ?? "") : "");
  onState(follow);
  follow();
}

async function suggestions(q, signal) {
  return (await get(`/v1/suggest${query({ q, limit: 8 })}`, { signal })).suggestions;
}

/** Where a hit leads: a track to itself, everything else to its artist. */
export function address(hit) {
  return hit.kind === "track" ? link({ view: "track", track: hit.id }) : link({ view: "artist", artist: hit.artist_id ?? hit.id });
}

/** A hit in one line. */
export function shown(hit) {
  return [
    sleeve(hit.id, 28),
    h("span", { class: "words" }, h("span", { class: "title" }, hit.title ?? hit.name ?? hit.id), h("span", { class: "artist" }, hit.kind === "artist" ? "Artist" : [hit.kind === "album" ? "Album · " : "", hit.artist ?? ""].join(""))),
  ];
}

/** A list of hits as links. */
export const hits = (label, list) => h("section", {}, h("h2", {}, label), h("ul", { class: "hits" }, list.map((hit) => h("li", {}, h("a", { href: address(hit) }, shown(hit))))));
