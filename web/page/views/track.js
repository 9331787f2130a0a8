/** A track: where it stands, how it came there, and what became of one play of it. */

import { get, query } from "../api.js";
import { h, notice, table, write } from "../dom.js";
import { LENGTH, duration, flag, iso, number, percent, region as nameOf, sentence, span } from "../format.js";
import { plot } from "../plot.js";
import { moved } from "../rows.js";
import { sleeve } from "../sleeve.js";
import { link } from "../state.js";

/** How far back the plots reach, in windows. */
const REACH = { hour: 72, day: 60, week: 52 };
const REGIONS_MOST = 6;

export function track(now, { place, toolbar, title }) {
  const leaving = new AbortController();
  const { signal } = leaving;
  const path = `/v1/tracks/${encodeURIComponent(now.track)}`;

  async function show() {
    const found = await get(path, { signal });
    const name = found.title ?? now.track;
    title(name);
    const charts = found.charts.filter((chart) => chart.window === now.window).sort((a, b) => (a.region !== "global") - (b.region !== "global") || b.plays - a.plays);
    const history = h("div", { class: "history" });
    place.replaceChildren(
      h(
        "header",
        { class: "hero track-head" },
        sleeve(now.track, 160),
        h("div", { class: "name" }, h("h1", {}, name), h("p", { class: "by" }, found.artist_id ? h("a", { href: link({ view: "artist", artist: found.artist_id }) }, found.artist) : (found.artist ?? "Unknown artist"), found.album && ` · ${found.album}`), h("p", { class: "span" }, details(found))),
      ),
      history,
      h("section", {}, h("h2", {}, "Now, by region"), charts.length ? standing(charts) : h("p", { class: "soft" }, `Not on any ${now.window} chart at the moment.`)),
      receipt(now.track),
    );
    const codes = [now.region, ...charts.map((chart) => chart.region).filter((code) => code !== now.region)].slice(0, REGIONS_MOST + 1);
    const [first, ...others] = await Promise.all(codes.map(entries));
    history.replaceChildren(...(first.length ? [...plots(first), receipts(first)] : [notice("No history yet", `It begins with the first final ${now.window} chart of ${nameOf(now.region)} the track is on.`)]));
    const small = others.map((list, at) => list.length > 1 && plot({ label: nameOf(codes[at + 1]), kind: now.window, points: list.map(({ starts_at, rank }) => ({ at: Date.parse(starts_at), value: rank })), format: number, ranks: true }));
    if (small.some(Boolean)) history.after(h("section", {}, h("h2", {}, "Rank by region"), h("div", { class: "small" }, small)));
  }

  async function entries(region) {
    const from = iso(Math.floor(Date.now() / LENGTH.hour) * LENGTH.hour - REACH[now.window] * LENGTH[now.window]);
    return (await get(`${path}/history${query({ region, window: now.window, from })}`, { signal })).entries;
  }

  function plots(list) {
    const points = (field) => list.map((entry) => ({ at: Date.parse(entry.starts_at), value: entry[field] }));
    return [
      h("h2", {}, `In ${nameOf(now.region)}, by ${now.window}`),
      plot({ label: "Rank", kind: now.window, points: points("rank"), format: number, ranks: true }),
      plot({ label: "Plays", kind: now.window, points: points("plays"), format: number }),
    ];
  }

  function standing(charts) {
    return table("Present charts", [
      ["Region", (chart) => h("a", { href: link({ view: "chart", region: chart.region }) }, `${flag(chart.region)} ${nameOf(chart.region)}`.trim())],
      ["Rank", (chart) => number(chart.rank), "number"],
      ["Plays", (chart) => number(chart.plays), "number"],
      ["Share", (chart) => percent(chart.share), "number"],
    ], charts);
  }

  function receipts(list) {
    const change = (entry) => {
      const cell = h("span");
      moved(cell, entry);
      return cell;
    };
    const rows = table("History", [
      ["Window", (entry) => h("a", { href: link({ view: "chart", at: entry.starts_at }) }, span(now.window, Date.parse(entry.starts_at)))],
      ["Rank", (entry) => number(entry.rank), "number"],
      ["Change", change],
      ["Plays", (entry) => number(entry.plays), "number"],
      ["Peak", (entry) => entry.peak_rank && number(entry.peak_rank), "number"],
      ["On chart", (entry) => entry.windows_on_chart && number(entry.windows_on_chart), "number"],
    ], [...list].reverse());
    return h("details", {}, h("summary", {}, "Every window as a table"), rows);
  }

  toolbar.at(null);
  show().catch((error) => {
    if (error.name !== "AbortError") place.replaceChildren(notice(error.status === 404 ? "No such track" : "The track cannot be shown", sentence(error.message), h("a", { class: "button", href: link({ view: "chart" }) }, "To the chart")));
  });
  return { stop: () => leaving.abort() };
}

function details({ genre, release_date: released, duration_ms: length, isrc }) {
  return [genre, released, length && duration(length), isrc].filter(Boolean).join(" · ") || "\u00a0";
}

/** What became of one play: counted, or why not. */
function receipt(track_id) {
  const said = h("output", {});
  const form = h(
    "form",
    {
      class: "line-form",
      async onsubmit(event) {
        event.preventDefault();
        const id = new FormData(form).get("play_id").trim();
        try {
          const play = await get(`/v1/plays/${encodeURIComponent(id)}${query({ track_id })}`);
          write(said, sentence([play.verdict, play.reason, play.region, play.played_at].filter(Boolean).join(", ")));
        } catch (error) {
          write(said, sentence(error.message));
        }
      },
    },
    h("label", {}, h("span", {}, "Play id"), h("input", { name: "play_id", required: true, maxlength: 64, autocomplete: "off" })),
    h("button", {}, "Look up"),
    said,
  );
  return h("section", {}, h("h2", {}, "What became of a play"), form);
}
