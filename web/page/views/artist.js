/** An artist: the tracks and albums we know of. */

import { get } from "../api.js";
import { h, notice } from "../dom.js";
import { sentence } from "../format.js";
import { hits } from "../search.js";
import { sleeve } from "../sleeve.js";

export function artist(now, { place, title }) {
  const leaving = new AbortController();
  const path = `/v1/artists/${encodeURIComponent(now.artist)}`;
  const ask = (rest) => get(path + rest, { signal: leaving.signal });
  Promise.all([ask(""), ask("/tracks?limit=50"), ask("/albums?limit=50")]).then(
    ([found, tracks, albums]) => {
      title(found.name);
      place.append(
        h("header", { class: "hero track-head" }, sleeve(now.artist, 160), h("div", { class: "name" }, h("h1", {}, found.name))),
        hits("Tracks", tracks.items.map((track) => ({ kind: "track", id: track.track_id, title: track.title, artist: track.album }))),
        hits("Albums", albums.items.map((album) => ({ kind: "album", id: album.album_id, artist_id: now.artist, title: album.title, artist: album.release_date }))),
      );
    },
    (error) => error.name === "AbortError" || place.append(notice("The artist cannot be shown", sentence(error.message))),
  );
  return { stop: () => leaving.abort() };
}
