/**
 * The rows of a chart. They keep their elements while their track stays, glide to a new rank by transforms
 * alone (FLIP without reading the layout: every row is as high as the next), and write only what changed.
 */

import { h, icon, say, stamp, still, write } from "./dom.js";
import { number, percent, said } from "./format.js";
import { sleeve } from "./sleeve.js";
import { spark } from "./spark.js";
import { link } from "./state.js";
import { count } from "./ticker.js";

const GLIDE = { duration: 620, easing: "cubic-bezier(.2, .8, .2, 1)" };

export class Rows {
  #rows = new Map();
  #order = [];
  #past = null;

  constructor(label) {
    Object.assign(this, stamp("rows"));
    this.element.setAttribute("aria-label", label);
    this.body.addEventListener("keydown", walk);
  }

  /** Shows a chart; `glide` where it is the same chart a moment later. */
  show(chart, glide = false) {
    const before = new Map(this.#order.map((row, place) => [row, place]));
    const most = Math.max(...chart.entries.map((entry) => entry.plays), 1);
    const view = this.#visible();
    const seen = (place) => place >= view.first && place <= view.last;
    const moving = glide && !still();
    const order = chart.entries.map((entry, place) => {
      const row = this.#rows.get(entry.track_id) ?? new Row(entry, chart);
      row.show(entry, most, moving && seen(place));
      return row;
    });
    for (const row of this.#order) if (!order.includes(row)) row.element.remove();
    this.#rows = new Map(order.map((row) => [row.id, row]));
    this.#order = order;
    this.#arrange(order);
    if (moving) order.forEach((row, place) => (seen(place) || seen(before.get(row))) && row.glide(before.get(row), place, view.height));
    if (this.#past) for (const row of order) row.drawn ??= row.trend(this.#past);
  }

  /** What a track did in the windows before: its shares, oldest first. */
  past(sharesOf) {
    this.#past = sharesOf;
    for (const row of this.#order) row.drawn = row.trend(sharesOf);
  }

  mark(id) {
    for (const row of this.#order) row.element.classList.toggle("marked", row.id === id);
  }

  /** Which places can be seen: one look at the layout, before anything is written. */
  #visible() {
    const height = this.#order[0]?.element.offsetHeight;
    if (!height) return { first: 0, last: 30, height: 0 };
    const { top } = this.body.getBoundingClientRect();
    return { first: Math.floor(-top / height) - 1, last: Math.ceil((innerHeight - top) / height) + 1, height };
  }

  /** The elements follow the ranks, for those who hear the page; a move keeps focus where the browser can. */
  #arrange(order) {
    const { body } = this;
    const move = (node, next) => (body.moveBefore && node.isConnected ? body.moveBefore(node, next) : body.insertBefore(node, next));
    let next = body.firstElementChild;
    for (const { element } of order) {
      // One that fell: taking it out is one move, where lifting all it passed would be many.
      if (next && element === next.nextElementSibling) move(next, null);
      else if (element !== next) move(element, next);
      next = element.nextElementSibling;
    }
  }
}

/** Arrow keys walk from title to title. */
function walk(event) {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const target = step && event.target.closest(".row")?.[step]?.querySelector("a");
  if (target) (event.preventDefault(), target.focus());
}

class Row {
  #animation;
  #delta = 0;

  constructor({ track_id: id }, { region, window }) {
    Object.assign(this, stamp("row"), { id });
    this.element.dataset.track = id;
    this.title.href = link({ view: "track", track: id, region, window, at: undefined });
    this.words.before(sleeve(id));
  }

  show(entry, most, ticking) {
    const { rank, plays } = entry;
    const was = this.entry;
    const title = entry.title ?? entry.track_id;
    this.entry = entry;
    write(this.rank, number(rank));
    if (!was || was.plays !== plays) (was && ticking ? count(this.plays, was.plays, plays) : write(this.plays, said(plays)));
    write(this.title, title);
    write(this.artist, entry.artist ?? "Unknown artist");
    this.bar.style.transform = `scaleX(${(plays / most).toFixed(4)})`;
    write(this.share, plays ? percent(entry.share) : "–");
    write(this.peak, said(entry.peak_rank));
    this.peak.classList.toggle("top", entry.peak_rank === 1);
    write(this.stay, said(entry.windows_on_chart));
    if (was?.rank !== rank || was.movement !== entry.movement || was.previous_rank !== entry.previous_rank) moved(this.move, entry);
    if (was && was.rank > 1 && rank === 1) say(`${title} is the new number one.`);
  }

  /** From where it was, wherever a glide under way had taken it, to where it is. */
  glide(before, place, height) {
    if (before === place) return;
    if (before === undefined) return this.element.animate({ opacity: [0, 1] }, GLIDE);
    const left = 1 - (this.#animation?.effect.getComputedTiming().progress ?? 1);
    this.#delta = (before - place) * height + this.#delta * left;
    const far = Math.max(-innerHeight, Math.min(innerHeight, this.#delta));
    this.#animation?.cancel();
    this.element.style.zIndex = Number(far > 0);
    this.#animation = this.element.animate({ transform: [`translateY(${far}px)`, "none"] }, GLIDE);
  }

  trend(sharesOf) {
    spark(this.line, [...sharesOf(this.id), this.entry.share]);
    return true;
  }
}

/** How it moved: an arrow and by how much, or that it is new. */
export function moved(cell, { movement, rank, previous_rank: previous }) {
  const by = Math.abs(previous - rank);
  const [said, seen] = {
    up: [`up ${by}`, [icon("up"), number(by)]],
    down: [`down ${by}`, [icon("down"), number(by)]],
    same: ["unchanged", "–"],
    new: ["new", "New"],
    "re-entry": ["back on the chart", "Back"],
  }[movement] ?? ["", ""];
  cell.className = `move ${movement}`;
  cell.title = previous ? `${said}, was ${number(previous)}` : said;
  cell.replaceChildren(h("span.said", said), h("span.mark", { "aria-hidden": "true" }, seen));
}
