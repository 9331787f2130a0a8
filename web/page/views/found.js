/** Everything a search found; and an artist: the tracks and albums we know of. */

import { get, query } from "../api.js";
import { h, notice } from "../dom.js";
import { sentence } from "../format.js";
import { hits } from "../search.js";
import { sleeve } from "../sleeve.js";

export function search({ q = "" }, { place, signal, title }) {
  title(`“${q}”`);
  place.append(h("header.hero", h("h1", q || "Search")));
  return filled(place, async () => {
    if (!q) return [notice("What are you looking for?", "A track, an artist or an album; a typo does no harm.")];
    const answer = await get(`/v1/search${query({ q })}`, { signal });
    const lists = ["tracks", "artists", "albums"].filter((kind) => answer[kind].length).map((kind) => hits(kind, answer[kind]));
    return lists.length ? lists : [notice("Nothing found", `Nothing in the catalogue is called anything like “${q}”.`)];
  });
}

export function artist(now, { place, signal, title }) {
  return filled(place, async () => {
    const path = `/v1/artists/${encodeURIComponent(now.artist)}`;
    const [found, tracks, albums] = await Promise.all(["", "/tracks", "/albums"].map((rest) => get(path + rest, { signal })));
    title(found.name);
    return [h("header.hero.track-head", sleeve(now.artist, 160), h("h1", found.name)), hits("tracks", tracks.items.map((one) => ({ ...one, kind: "track", id: one.track_id }))), hits("albums", albums.items.map((one) => ({ ...one, kind: "album", id: one.album_id })))];
  });
}

/** Fills a place with what comes, or with why it does not. */
function filled(place, come) {
  come().then(
    (elements) => place.append(...elements),
    (error) => error.name === "AbortError" || place.append(notice("This cannot be shown", sentence(error.message))),
  );
}
