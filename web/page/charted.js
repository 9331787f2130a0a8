/** What all views of a chart share: headline, facts, status, freshness, and what to do when there is no chart. */

import { ask } from "./account.js";
import { banner } from "./banner.js";
import { download } from "./api.js";
import { button, fill, h, notice, say, stamp, write } from "./dom.js";
import { STALE_MS, chartPath, watch } from "./feed.js";
import { duration, flag, region as nameOf, said, sentence, span, time } from "./format.js";
import { link } from "./state.js";
import { showTime } from "./toolbar.js";

const STATUS = {
  open: ["Open", "The window is still going on."],
  closing: ["Closing", "The window is over; late plays may still count."],
  final: ["Final", "Nothing changes any more."],
};
const LINE = { live: "Live", lost: "Connection lost", connecting: "Connecting", polled: "Every few seconds", stale: "Stale" };

/** Keeps `element` in the view and `show(chart, {glide, begins})` called, until the view is left. */
export function charted(now, { place, signal, title }, element, show) {
  const { region, window, at, as_of, source, rows: limit } = now;
  const pane = stamp("pane");
  const { body, live, status } = pane;
  let chart = null;
  let line = { state: "connecting" };
  pane.element.setAttribute("aria-label", nameOf(region));
  write(pane.flag, flag(region));
  write(pane.region, nameOf(region));
  pane.save.onclick = () => chart && download(chartPath(region, window, { at: chart.starts_at, as_of, source, limit, format: "csv" }), `${region}-${window}-${chart.starts_at.replaceAll(":", "")}.csv`);
  place.append(pane.element);

  const retry = watch({ region, window, at, as_of, source, limit }, signal, {
    onChart(next, glide) {
      // Before the first play there is no time yet, and so no window.
      if (!Date.parse(next.as_of)) return fill(body, empty(now));
      const begins = next.starts_at !== chart?.starts_at;
      const start = Date.parse(next.starts_at);
      if (begins) showTime(start);
      if (begins && chart) say(`A new ${window} has begun.`, true);
      chart = next;
      const [word, meaning] = STATUS[chart.status];
      status.className = `status ${chart.status}`;
      status.title = meaning;
      write(status, word + (chart.revision ? `, revision ${chart.revision}` : ""));
      write(pane.when, span(window, start) + (source ? `, from ${source}` : ""));
      write(pane.plays, said(chart.plays));
      write(pane.tracks, said(chart.tracks));
      write(pane.asOf, time(Date.parse(chart.as_of)));
      const [first] = chart.entries;
      title(`${first ? `1. ${first.title ?? first.track_id} – ` : ""}${nameOf(region)}`);
      if (!first) fill(body, empty(now));
      else if (element.parentNode !== body) body.replaceChildren(element);
      show(chart, { glide: glide && !document.hidden, begins });
      age();
    },
    onLine(next) {
      line = next;
      if (line.state === "failed" && !chart) fill(body, failed(line.problem, now, retry));
      age();
    },
  });
  const timer = setInterval(age, 500);

  /** How old what we see is: it grows while nothing comes. */
  function age() {
    const old = chart && chart.freshness_ms !== null ? chart.freshness_ms + Date.now() - chart.heard : null;
    const stale = line.state === "live" && chart && (chart.stale || old > STALE_MS);
    const asOf = chart && Date.parse(chart.as_of);
    const state = stale ? "stale" : line.state;
    live.className = `live ${state}`;
    write(pane.line, LINE[state] ?? "");
    write(pane.fresh, old === null ? "–" : duration(old));
    if (line.state === "lost") banner(pane, { why: "The connection is lost.", asOf, retryAt: line.retryAt, retry });
    else banner(pane, stale && { why: "Part of the count has not been heard of lately: these numbers are stale.", asOf });
  }

  signal.addEventListener("abort", () => (clearInterval(timer), banner(pane)));
}

function empty({ window, region }) {
  const { element, place } = stamp("empty");
  write(place, `${nameOf(region)}, this ${window}`);
  return element;
}

function failed({ status, message }, now, retry) {
  const why = sentence(message);
  if (status === 401) return notice("This chart needs a log-in", "Reading is not public here.", button("Log in", () => ask(), "primary"));
  if (status !== 404) return notice(status === 503 ? "Not available now" : "The chart cannot be shown", `${why} The page tries again by itself.`, button("Try again", retry));
  const leave = (text, changes) => h("a.button", { href: link({ at: undefined, as_of: undefined, source: undefined, ...changes }, now) }, text);
  return notice("There is no such chart", `${why} Pick another time or region, or see what is playing now.`, leave("Now", {}), leave("Global", { region: undefined }));
}
