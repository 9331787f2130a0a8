/** The race: how today's ten best came there, over the last 24 windows. */

import { charted } from "../charted.js";
import { h, s } from "../dom.js";
import { number, tick } from "../format.js";
import { before } from "../past.js";
import { sleeve } from "../sleeve.js";
import { link } from "../state.js";

const WINDOWS = 24;
const LANES = 10;
/** Lanes below the tenth where tracks come from that were not among the ten. */
const BELOW = 1;
const STEP = 40;
const LANE = 44;

export function race(now, frame) {
  const leaving = new AbortController();
  const svg = s("svg", { role: "img", "aria-label": `Ranks of the ten best over the last ${WINDOWS} windows` });
  const names = h("ol", { class: "names" });
  const element = h("figure", { class: "race" }, h("div", { class: "lanes" }, svg), names);
  let past = [];
  let drawn = "";
  const view = charted(now, frame, element, async (chart, { begins }) => {
    draw(chart);
    if (!begins) return;
    past = await before(chart, WINDOWS - 1, leaving.signal);
    drawn = "";
    draw(chart);
  });

  function draw(chart) {
    const ten = chart.entries.slice(0, LANES);
    const key = ten.map((entry) => entry.track_id).join();
    if (key === drawn) return;
    drawn = key;
    const all = [...past, chart];
    const width = (all.length - 1) * STEP + 40;
    const x = (place) => 20 + place * STEP;
    const y = (rank) => (Math.min(rank, LANES + BELOW) - 0.5) * LANE;
    svg.setAttribute("viewBox", `0 0 ${width} ${(LANES + BELOW) * LANE + 20}`);
    svg.setAttribute("width", width);
    const ranks = (id) => all.map(({ entries }) => entries.find((entry) => entry.track_id === id)?.rank);
    const axis = all.map((window, place) => (place + all.length) % 3 === 1 && s("text", { x: x(place), y: (LANES + BELOW) * LANE + 14 }, tick(now.window, Date.parse(window.starts_at))));
    const lines = ten.map((entry, lane) => {
      const points = ranks(entry.track_id).map((rank, place) => rank && [x(place), y(rank)]);
      const d = points.map((point, place) => point && (points[place - 1] ? `C${x(place) - STEP / 2} ${points[place - 1][1]} ${x(place) - STEP / 2} ${point[1]} ${point.join(" ")}` : `M${point.join(" ")}`)).join("");
      return s("g", { class: `runner r${lane}`, "data-track": entry.track_id }, s("path", { d }), points.map((point) => point && s("circle", { cx: point[0], cy: point[1], r: 4 })));
    });
    svg.replaceChildren(...axis.filter(Boolean), ...lines);
    names.replaceChildren(
      ...ten.map((entry, lane) =>
        h("li", { class: `r${lane}`, "data-track": entry.track_id }, h("b", {}, number(entry.rank)), sleeve(entry.track_id, 28), h("span", { class: "words" }, h("a", { class: "title", href: link({ view: "track", track: entry.track_id }, now) }, entry.title ?? entry.track_id), h("span", { class: "artist" }, entry.artist ?? ""))),
      ),
    );
    svg.parentNode.scrollLeft = width;
  }

  for (const [event, on] of [["pointerover", true], ["focusin", true], ["pointerleave", false]]) {
    element.addEventListener(event, ({ target }) => {
      const id = on && target.closest("[data-track]")?.dataset.track;
      element.classList.toggle("choosing", Boolean(id));
      for (const one of element.querySelectorAll("[data-track]")) one.classList.toggle("marked", one.dataset.track === id);
    });
  }
  return { stop: () => (leaving.abort(), view.stop()) };
}
