/** A track: where it stands, how it came there, and what became of one play of it. */

import { get, query } from "../api.js";
import { h, notice, stamp, table, write } from "../dom.js";
import { LENGTH, duration, flag, iso, number, percent, region as nameOf, sentence, span, windowStart } from "../format.js";
import { plot } from "../plot.js";
import { moved } from "../rows.js";
import { sleeve } from "../sleeve.js";
import { link } from "../state.js";

/** How far back the plots reach, in windows. */
const REACH = { hour: 72, day: 60, week: 52 };
const REGIONS_MOST = 6;

export function track(now, { place, signal, title }) {
  const { track, region, window } = now;
  const path = `/v1/tracks/${encodeURIComponent(track)}`;

  async function show() {
    const found = await get(path, { signal });
    const charts = found.charts.filter((chart) => chart.window === window).sort((a, b) => (a.region !== "global") - (b.region !== "global") || b.plays - a.plays);
    const name = found.title ?? track;
    const history = h("div");
    title(name);
    const { genre, release_date: released, duration_ms: length, isrc, artist_id, album } = found;
    const artist = artist_id ? h("a", { href: link({ view: "artist", artist: artist_id }) }, found.artist) : (found.artist ?? "Unknown artist");
    const about = [genre, released, length && duration(length), isrc].filter(Boolean).join(" · ");
    const standing = table("Present charts", [
      ["Region", (chart) => h("a", { href: link({ view: "chart", region: chart.region }) }, `${flag(chart.region)} ${nameOf(chart.region)}`)],
      ["Rank", (chart) => number(chart.rank), "number"],
      ["Plays", (chart) => number(chart.plays), "number"],
      ["Share", (chart) => percent(chart.share), "number"],
    ], charts);
    place.append(
      h("header.hero.track-head", sleeve(track, 160), h("div.name", h("h1", name), h("p.by", artist, album && ` · ${album}`), h("p.span", about))),
      history,
      h("section", h("h2", "Now, by region"), charts.length ? standing : h("p.soft", `Not on any ${window} chart at the moment.`)),
      receipt(track, signal),
    );
    const here = charts.find((chart) => chart.region === region) ?? { region, starts_at: charts[0]?.starts_at ?? iso(windowStart(window, Date.now())) };
    const places = [here, ...charts.filter((chart) => chart.region !== region)].slice(0, REGIONS_MOST + 1);
    const [first, ...others] = await Promise.all(places.map(entries));
    if (!first.length) return history.append(notice("No history yet", `It begins with the first ${window} chart of ${nameOf(region)} that has this track.`));
    const small = others.map((list, at) => list.length > 1 && line(nameOf(places[at + 1].region), list, "rank", 130)).filter(Boolean);
    history.append(h("h2", `${nameOf(region)}, by ${window}`), h("div.plots", line("Rank", first, "rank"), line("Plays", first, "plays")), windows(first));
    if (small.length) history.append(h("h2", "Rank by region"), h("div.plots.small", small));
  }

  /** What the history has, and the present, which it is told of only now and then. */
  async function entries(present) {
    const { region: code, starts_at } = present;
    const from = iso(Date.parse(starts_at) - REACH[window] * LENGTH[window]);
    const { entries: stored } = await get(`${path}/history${query({ region: code, window, from })}`, { signal });
    return [...stored.filter((one) => one.starts_at !== starts_at || !present.rank), ...(present.rank ? [present] : [])];
  }

  const line = (label, list, field, height) => plot({ label, height, kind: window, points: list.map((entry) => [Date.parse(entry.starts_at), entry[field]]), format: number, ranks: field === "rank" });

  function windows(list) {
    const change = (entry) => {
      const cell = h("span");
      moved(cell, entry);
      return cell;
    };
    const rows = table("History", [
      ["Window", (entry) => h("a", { href: link({ view: "chart", at: entry.starts_at }) }, span(window, Date.parse(entry.starts_at)))],
      ["Rank", (entry) => number(entry.rank), "number"],
      ["Change", change],
      ["Plays", (entry) => number(entry.plays), "number"],
      ["Peak", (entry) => entry.peak_rank, "number"],
      ["On chart", (entry) => entry.windows_on_chart, "number"],
    ], list.toReversed());
    return h("details", h("summary", "Every window as a table"), rows);
  }

  show().catch((error) => {
    if (error.name !== "AbortError") place.append(notice(error.status === 404 ? "No such track" : "Not all can be shown", sentence(error.message), h("a.button", { href: link({ view: "chart" }) }, "To the chart")));
  });
}

/** What became of one play: counted, or why not. */
function receipt(track_id, signal) {
  const { element, form, said } = stamp("play");
  form.onsubmit = async (event) => {
    event.preventDefault();
    const play = get(`/v1/plays/${encodeURIComponent(form.play_id.value.trim())}${query({ track_id })}`, { signal });
    const told = ({ verdict, reason, windows }) => [verdict, reason, ...windows.map((one) => `${nameOf(one.region)} ${one.window}`)].filter(Boolean).join(", ");
    write(said, sentence(await play.then(told, (error) => error.message)));
  };
  return element;
}
