/** What all views of a chart share: headline, facts, status, freshness, and what to do when there is no chart. */

import { ask } from "./account.js";
import { csv } from "./csv.js";
import { h, icon, notice, say, write } from "./dom.js";
import { STALE_MS, watch } from "./feed.js";
import { duration, flag, number, region as nameOf, sentence, span, time } from "./format.js";
import { banner } from "./banner.js";
import { link } from "./state.js";

const STATUS = {
  open: ["Open", "The window is still going on."],
  closing: ["Closing", "The window is over; late plays may still count."],
  final: ["Final", "Nothing changes any more."],
};
const LINE = { live: "Live", lost: "Connection lost", connecting: "Connecting", polled: "Every few seconds" };

/** Keeps `element` in the view and `show(chart, {glide, begins})` called, until `stop()`. */
export function charted(now, { place, toolbar, title }, element, show) {
  let shown = null;
  let line = { state: "connecting" };
  const head = headline(now, () => shown);
  const body = h("div", { class: "body" }, h("div", { class: "skeleton" }, Array.from({ length: 12 }, () => h("i"))));
  const pane = h("section", { class: "pane", "aria-label": nameOf(now.region) }, head.element, body);
  place.append(pane);

  const feed = watch({ region: now.region, window: now.window, at: now.at, as_of: now.as_of, source: now.source, limit: now.rows }, {
    onChart(chart, glide) {
      const begins = chart.starts_at !== shown?.starts_at;
      if (begins) toolbar.at(Date.parse(chart.starts_at));
      if (begins && shown) say(`A new ${now.window} has begun.`, true);
      shown = chart;
      head.show(chart);
      title(`${chart.entries[0] ? `1. ${chart.entries[0].title ?? chart.entries[0].track_id} – ` : ""}${nameOf(now.region)}`);
      if (!chart.entries.length) body.replaceChildren(empty(now));
      else if (element.parentNode !== body) body.replaceChildren(element);
      show(chart, { glide: glide && !document.hidden, begins });
      age();
    },
    onLine(next) {
      line = next;
      if (line.state === "failed" && !shown) body.replaceChildren(failed(line.problem, now, feed));
      age();
    },
  });
  const timer = setInterval(age, 500);

  /** How old what we see is: it grows while nothing comes. */
  function age() {
    const old = shown && shown.freshness_ms !== null ? shown.freshness_ms + Date.now() - shown.heard : null;
    const stale = line.state === "live" && shown && (shown.stale || old > STALE_MS);
    const asOf = shown && Date.parse(shown.as_of);
    head.age(line.state, old, stale);
    if (line.state === "lost") banner(pane, { why: "The connection is lost.", asOf, retryAt: line.retryAt, retry: feed.retry });
    else banner(pane, stale && { why: "Part of the count has not been heard of lately: these numbers are stale.", asOf });
  }

  return {
    stop() {
      feed.stop();
      clearInterval(timer);
      banner(pane);
    },
  };
}

function headline(now, shown) {
  const status = h("span", { class: "status" });
  const live = h("span", { class: "live" }, h("i"), h("span"));
  const when = h("p", { class: "span" }, "\u00a0");
  const facts = Object.fromEntries(["Plays", "Tracks", "As of", "Fresh"].map((label) => [label, h("dd", {}, "–")]));
  const button = (name, text, onclick) => h("button", { type: "button", class: "quiet", onclick }, icon(name), h("span", {}, text));
  const element = h(
    "header",
    { class: "hero" },
    h("div", { class: "name" }, h("h1", {}, h("span", { class: "flag", "aria-hidden": "true" }, flag(now.region)), nameOf(now.region)), h("p", { class: "state" }, status, live), when),
    h("dl", { class: "facts" }, Object.entries(facts).map(([label, value]) => h("div", {}, h("dt", {}, label), value))),
    h("p", { class: "actions" }, button("save", "CSV", () => shown() && csv(shown())), button("share", "Copy link", share)),
  );
  return {
    element,
    show(chart) {
      const [word, meaning] = STATUS[chart.status];
      status.className = `status ${chart.status}`;
      status.title = meaning;
      write(status, word + (chart.revision ? `, revision ${chart.revision}` : ""));
      write(when, span(chart.window, Date.parse(chart.starts_at)));
      write(facts.Plays, number(chart.plays));
      write(facts.Tracks, number(chart.tracks));
      write(facts["As of"], time(Date.parse(chart.as_of)));
    },
    age(line, old, stale) {
      live.className = `live ${stale ? "stale" : line}`;
      write(live.lastChild, stale ? "Stale" : (LINE[line] ?? ""));
      write(facts.Fresh, old === null ? "–" : duration(old));
    },
  };
}

async function share({ currentTarget: { lastChild: text } }) {
  await navigator.clipboard.writeText(location.href);
  write(text, "Copied");
  setTimeout(() => write(text, "Copy link"), 2000);
}

function empty(now) {
  return notice(
    "Nothing was played here yet",
    `This ${now.window} has no plays in ${nameOf(now.region)} so far. They appear the moment they are counted: post some to /v1/plays, connect a scrobbler, or let the simulator play.`,
    h("code", {}, "charts simulate"),
    h("a", { class: "button", href: "/docs" }, "How to post plays"),
  );
}

function failed(problem, now, feed) {
  const why = sentence(problem.message);
  if (problem.status === 401) return notice("This chart needs a log-in", "Reading is not public here.", h("button", { type: "button", class: "primary", onclick: () => ask() }, "Log in"));
  const retry = h("button", { type: "button", onclick: () => feed.retry() }, "Try again");
  if (problem.status !== 404) return notice(problem.status === 503 ? "Warming up" : "The chart cannot be shown", `${why} The page tries again by itself.`, retry);
  const leave = (text, changes) => h("a", { class: "button", href: link({ at: undefined, as_of: undefined, source: undefined, ...changes }, now) }, text);
  return notice("There is no such chart", `${why} Pick another time or region, or see what is playing now.`, leave("Now", {}), leave("Global", { region: undefined }));
}
