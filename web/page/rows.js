/**
 * The rows of a chart. They keep their elements while their track stays, glide to a new rank by transforms
 * alone (FLIP without reading the layout: every row is as high as the next), and write only what changed.
 */

import { h, icon, s, say, still, write } from "./dom.js";
import { compact, number, percent } from "./format.js";
import { sleeve } from "./sleeve.js";
import { spark } from "./spark.js";
import { link } from "./state.js";
import { count } from "./ticker.js";

const GLIDE = { duration: 620, easing: "cubic-bezier(.2, .8, .2, 1)" };
const HEADINGS = [
  ["rank", "Rank"],
  ["move", "Change"],
  ["song", "Track"],
  ["plays", "Plays"],
  ["share", "Share"],
  ["spark", "Trend"],
  ["peak", "Peak"],
  ["stay", "On chart"],
];

export class Rows {
  #rows = new Map();
  #order = [];
  #body = h("div", { class: "rows-body", role: "rowgroup" });
  #past = null;

  constructor(label) {
    const head = h("div", { class: "row head", role: "row" }, HEADINGS.map(([name, text]) => h("span", { class: name, role: "columnheader" }, text)));
    this.element = h("div", { class: "rows", role: "table", "aria-label": label }, h("div", { role: "rowgroup" }, head), this.#body);
    this.#body.addEventListener("keydown", walk);
  }

  /** Shows a chart; `glide` where it is the same chart a moment later. */
  show(chart, glide = false) {
    const before = new Map(this.#order.map((row, place) => [row, place]));
    const most = Math.max(...chart.entries.map((entry) => entry.plays), 1);
    const seen = this.#visible();
    const order = chart.entries.map((entry, place) => {
      const row = this.#rows.get(entry.track_id) ?? new Row(entry, chart);
      row.show(entry, most, glide && place >= seen.first && place <= seen.last);
      return row;
    });
    const kept = new Set(order);
    for (const [id, row] of this.#rows) if (!kept.has(row)) (row.element.remove(), this.#rows.delete(id));
    for (const row of order) this.#rows.set(row.id, row);
    this.#arrange(order);
    this.#order = order;
    if (glide && !still()) order.forEach((row, place) => row.glide(before.get(row), place, seen));
    if (this.#past) for (const row of order) row.drawn || row.trend(this.#past);
  }

  /** What a track did in the windows before: its plays, oldest first. */
  past(playsOf) {
    this.#past = playsOf;
    for (const row of this.#order) row.trend(playsOf);
  }

  mark(id) {
    for (const row of this.#order) row.element.classList.toggle("marked", row.id === id);
  }

  /** Which places can be seen: one look at the layout, before anything is written. */
  #visible() {
    const height = this.#order[0]?.element.offsetHeight ?? 0;
    if (!height) return { first: 0, last: 30, height: 0 };
    const top = this.#body.getBoundingClientRect().top;
    return { first: Math.floor(-top / height) - 1, last: Math.ceil((innerHeight - top) / height) + 1, height };
  }

  /** The elements follow the ranks, for those who hear the page rather than see it. */
  #arrange(order) {
    const body = this.#body;
    const move = body.moveBefore ? (node, next) => (node.isConnected && body.isConnected ? body.moveBefore(node, next) : body.insertBefore(node, next)) : (node, next) => body.insertBefore(node, next);
    let next = body.firstElementChild;
    for (const { element } of order) {
      if (element === next) next = next.nextElementSibling;
      else if (next && element === next.nextElementSibling) {
        // One that fell: taking it out is one move, where lifting all it passed would be many.
        const fell = next;
        next = element.nextElementSibling;
        move(fell, null);
      } else move(element, next);
    }
  }
}

/** Arrow keys walk from title to title. */
function walk(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const target = step && event.target.closest(".row")?.[step]?.querySelector("a");
  if (!target) return;
  event.preventDefault();
  target.focus();
}

class Row {
  #shown = {};
  #animation = null;
  #delta = 0;

  constructor(entry, chart) {
    this.id = entry.track_id;
    const cell = (name, ...children) => (this[name] = h("span", { class: name, role: "cell" }, ...children));
    this.bar = h("span", { class: "bar" });
    this.title = h("a", { class: "title", href: link({ view: "track", track: this.id, region: chart.region, window: chart.window }) });
    this.artist = h("span", { class: "artist" });
    this.line = s("svg", { class: "line", viewBox: "0 0 72 24", "aria-hidden": "true" });
    this.element = h(
      "div",
      { class: "row", role: "row", "data-track": this.id },
      cell("rank"),
      cell("move"),
      h("span", { class: "song", role: "cell" }, this.bar, sleeve(this.id), h("span", { class: "words" }, this.title, this.artist)),
      cell("plays"),
      cell("share"),
      h("span", { class: "spark", role: "cell" }, this.line),
      cell("peak"),
      cell("stay"),
    );
  }

  show(entry, most, animate) {
    const { rank, plays } = entry;
    const was = this.#shown;
    if (was.rank !== rank) write(this.rank, number(rank));
    if (was.plays !== plays) (animate && was.plays !== undefined && !still() ? count : set)(this.plays, was.plays, plays);
    const title = entry.title ?? entry.track_id;
    if (was.title !== title) write(this.title, title);
    if (was.artist !== entry.artist) write(this.artist, entry.artist ?? "Unknown artist");
    const length = Math.max(0.004, plays / most).toFixed(4);
    if (was.length !== length) this.bar.style.transform = `scaleX(${length})`;
    const share = percent(entry.share);
    if (was.share !== share) write(this.share, share);
    if (was.movement !== entry.movement || was.rank !== rank || was.previous !== entry.previous_rank) moved(this.move, entry);
    if (was.peak !== entry.peak_rank) (write(this.peak, entry.peak_rank ? number(entry.peak_rank) : "–"), this.peak.classList.toggle("top", entry.peak_rank === 1));
    if (was.stay !== entry.windows_on_chart) write(this.stay, entry.windows_on_chart ? number(entry.windows_on_chart) : "–");
    if (was.rank !== undefined && was.rank !== 1 && rank === 1) say(`${title} is the new number one.`);
    this.#shown = { rank, plays, title, artist: entry.artist, length, share, movement: entry.movement, previous: entry.previous_rank, peak: entry.peak_rank, stay: entry.windows_on_chart };
  }

  /** From where it was, wherever a glide under way had taken it, to where it is. */
  glide(before, place, { first, last, height }) {
    const seen = place >= first && place <= last;
    if (before === undefined) {
      if (seen) this.element.animate([{ opacity: 0 }, { opacity: 1 }], GLIDE);
      return;
    }
    if (before === place || !(seen || (before >= first && before <= last))) return;
    const done = this.#animation?.effect.getComputedTiming().progress ?? 1;
    this.#delta = (before - place) * height + this.#delta * (1 - done);
    const far = Math.min(Math.abs(this.#delta), innerHeight) * Math.sign(this.#delta);
    this.#animation?.cancel();
    this.element.classList.toggle("rising", far > 0);
    this.#animation = this.element.animate([{ transform: `translateY(${far}px)` }, { transform: "none" }], GLIDE);
    this.#animation.onfinish = () => this.element.classList.remove("rising");
  }

  trend(playsOf) {
    this.drawn = true;
    spark(this.line, playsOf(this.id), this.#shown.plays);
  }
}

function set(element, _, plays) {
  write(element, number(plays));
}

/** How it moved: an arrow and by how much, or that it is new. */
export function moved(cell, { movement, rank, previous_rank: previous }) {
  const by = previous ? Math.abs(previous - rank) : 0;
  const kind = movement ?? "none";
  cell.className = `move ${kind}`;
  const said = { up: `up ${by}`, down: `down ${by}`, same: "unchanged", new: "new", "re-entry": "back on the chart", none: "no chart before" }[kind];
  const seen = { up: [icon("up"), compact(by)], down: [icon("down"), compact(by)], same: ["–"], new: ["New"], "re-entry": ["Back"], none: [""] }[kind];
  cell.replaceChildren(h("span", { class: "said" }, said), h("span", { class: "mark", "aria-hidden": "true" }, seen));
  cell.title = previous ? `${said}, was ${number(previous)}` : said;
}
