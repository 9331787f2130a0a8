/** Everything a search found. */

import { get, query } from "../api.js";
import { h, notice } from "../dom.js";
import { sentence } from "../format.js";
import { hits } from "../search.js";

export function found(now, { place, title }) {
  const leaving = new AbortController();
  const q = now.q ?? "";
  title(`“${q}”`);
  place.append(h("header", { class: "hero" }, h("h1", {}, q || "Search")));
  if (!q) place.append(notice("What are you looking for?", "A track, an artist or an album; a typo does no harm."));
  else
    get(`/v1/search${query({ q })}`, { signal: leaving.signal }).then(
      (answer) => {
        const kinds = [["Tracks", "tracks", "track"], ["Artists", "artists", "artist"], ["Albums", "albums", "album"]];
        const lists = kinds.filter(([, key]) => answer[key].length).map(([label, key, kind]) => hits(label, answer[key].map((hit) => ({ ...hit, kind }))));
        place.append(...(lists.length ? lists : [notice("Nothing found", `No track, artist or album is called anything like “${q}”.`)]));
      },
      (error) => error.name === "AbortError" || place.append(notice("The search cannot be answered", sentence(error.message))),
    );
  return { stop: () => leaving.abort() };
}
