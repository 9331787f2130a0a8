/** The search field of the masthead: `/` gets there, suggestions come as one types, Enter shows them all. */

import { get, query } from "./api.js";
import { combobox } from "./combobox.js";
import { h } from "./dom.js";
import { sleeve } from "./sleeve.js";
import { go, link, onState, state } from "./state.js";

const TYPING_MS = 90;

export function searchBox(place) {
  const { element, input } = combobox({
    label: "Search tracks, artists and albums",
    placeholder: "Search",
    wait: TYPING_MS,
    async suggest(text, signal) {
      if (!text) return [];
      const { suggestions } = await get(`/v1/suggest${query({ q: text })}`, { signal });
      return suggestions.map((hit) => ({ value: hit, content: shown(hit) }));
    },
    take: (hit) => (follow(), input.blur(), go(address(hit))),
    enter: (text) => text && (input.blur(), go(link({ view: "search", q: text }))),
  });
  const follow = () => (input.value = state().view === "search" ? (state().q ?? "") : "");
  place.append(element, h("kbd", { "aria-hidden": "true" }, "/"));
  onState(follow);
  follow();
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, dialog")) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

/** Where a hit leads: a track to itself, everything else to its artist. */
const address = ({ kind, id, artist_id }) => link(kind === "track" ? { view: "track", track: id } : { view: "artist", artist: artist_id ?? id });

/** A hit in one line. */
function shown({ kind, id, title, name, artist }) {
  const about = kind === "artist" ? "Artist" : [kind === "album" && "Album", artist].filter(Boolean).join(" · ");
  return [sleeve(id, 28), h("span.words", h("span.title", title ?? name), h("span.artist", about))];
}

/** A list of hits as links. */
export const hits = (label, list) => h("section", h("h2.capital", label), h("ul.hits", list.map((hit) => h("li", h("a", { href: address(hit) }, shown(hit))))));
