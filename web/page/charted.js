/** What all views of a chart share: headline, facts, status, freshness, and what to do when there is no chart. */

import { ask } from "./account.js";
import { banner } from "./banner.js";
import { download } from "./api.js";
import { button, h, notice, say, stamp, write } from "./dom.js";
import { STALE_MS, chartPath, watch } from "./feed.js";
import { duration, flag, number, region as nameOf, sentence, span, time } from "./format.js";
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
  pane.share.onclick = async () => {
    await navigator.clipboard.writeText(location.href);
    write(pane.shared, "Copied");
    setTimeout(() => write(pane.shared, "Copy link"), 2000);
  };
  place.append(pane.element);

  const retry = watch({ region, window, at, as_of, source, limit }, signal, {
    onChart(next, glide) {
      const begins = next.starts_at !== chart?.starts_at;
      const start = Date.parse(next.starts_at);
      if (begins) showTime(start);
      if (begins && chart) say(`A new ${window} has begun.`, true);
      chart = next;
      const [word, meaning] = STATUS[chart.status];
      status.className = `status ${chart.status}`;
      status.title = meaning;
      write(status, word + (chart.revision ? `, revision ${chart.revision}` : ""));
      write(pane.when, span(window, start));
      write(pane.plays, number(chart.plays));
      write(pane.tracks, number(chart.tracks));
      write(pane.asOf, time(Date.parse(chart.as_of)));
      const [first] = chart.entries;
      title(`${first ? `1. ${first.title ?? first.track_id} – ` : ""}${nameOf(region)}`);
      if (!first) body.replaceChildren(empty(now));
      else if (element.parentNode !== body) body.replaceChildren(element);
      show(chart, { glide: glide && !document.hidden, begins });
      age();
    },
    onLine(next) {
      line = next;
      if (line.state === "failed" && !chart) body.replaceChildren(failed(line.problem, now, retry));
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

const empty = ({ window, region }) =>
  notice(
    "Nothing was played here yet",
    `This ${window} has no plays in ${nameOf(region)} so far. They appear the moment they are counted: post some to /v1/plays, connect a scrobbler, or let the simulator play.`,
    h("code", "charts simulate"),
    h("a.button", { href: "/docs" }, "How to post plays"),
  );

function failed({ status, message }, now, retry) {
  const why = sentence(message);
  if (status === 401) return notice("This chart needs a log-in", "Reading is not public here.", button("Log in", () => ask(), "primary"));
  if (status !== 404) return notice(status === 503 ? "Warming up" : "The chart cannot be shown", `${why} The page tries again by itself.`, button("Try again", retry));
  const leave = (text, changes) => h("a.button", { href: link({ at: undefined, as_of: undefined, source: undefined, ...changes }, now) }, text);
  return notice("There is no such chart", `${why} Pick another time or region, or see what is playing now.`, leave("Now", {}), leave("Global", { region: undefined }));
}
