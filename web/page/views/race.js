/** The race: how the ten best came where they are, over the last 24 windows. */

import { charted } from "../charted.js";
import { h, s } from "../dom.js";
import { tick } from "../format.js";
import { before } from "../past.js";
import { sleeve } from "../sleeve.js";
import { link } from "../state.js";

const WINDOWS = 24;
/** The ten, and one below for where they come from. */
const LANES = 11;
const STEP_MIN = 34;
const LANE = 44;

export function race(now, frame) {
  const svg = s("svg", { role: "img", "aria-label": `Ranks of the ten best over the last ${WINDOWS} windows` });
  const names = h("ol.names");
  const element = h("figure.race", h("div.lanes", svg), names);
  let past = [];
  let drawn = "";
  charted(now, frame, element, async (chart, { begins }) => {
    draw(chart);
    if (!begins) return;
    past = await before(chart, WINDOWS - 1, frame.signal);
    drawn = "";
    draw(chart);
  });

  function draw(chart) {
    const ten = chart.entries.slice(0, LANES - 1);
    const key = ten.map((entry) => entry.track_id).join();
    if (key === drawn) return;
    drawn = key;
    const all = [...past, chart];
    const step = Math.max(STEP_MIN, Math.floor(svg.parentNode.clientWidth / all.length));
    const width = all.length * step;
    const x = (place) => (place + 0.5) * step;
    const axis = all.map(({ starts_at }, place) => (all.length - place) % 3 === 1 && s("text", { x: x(place), y: LANES * LANE + 14 }, tick(now.window, Date.parse(starts_at))));
    const lines = ten.map(({ track_id: id }, lane) => {
      const ranks = all.map(({ entries }) => entries.find((entry) => entry.track_id === id)?.rank);
      const y = ranks.map((rank) => rank && (Math.min(rank, LANES) - 0.5) * LANE);
      const d = y.map((to, at) => to && (y[at - 1] ? `C${x(at - 0.5)} ${y[at - 1]} ${x(at - 0.5)} ${to} ${x(at)} ${to}` : `M${x(at)} ${to}`)).join("");
      return coloured(lane, s("g.runner", { "data-track": id }, s("path", { d }), y.map((cy, at) => cy && s("circle", { cx: x(at), cy, r: 4 }))));
    });
    svg.setAttribute("viewBox", `0 0 ${width} ${LANES * LANE + 20}`);
    svg.setAttribute("width", width);
    svg.replaceChildren(...[...axis, ...lines].filter(Boolean));
    names.replaceChildren(...ten.map(({ rank, track_id: track, title, artist }, lane) => coloured(lane, h("li", { "data-track": track }, h("b", rank), sleeve(track, 28), h("span.words", h("a.title", { href: link({ view: "track", track }, now) }, title ?? track), h("span.artist", artist))))));
    svg.parentNode.scrollLeft = width;
  }

  for (const event of ["pointerover", "focusin", "pointerleave"]) {
    element.addEventListener(event, ({ target, type }) => {
      const id = type !== "pointerleave" && target.closest("[data-track]")?.dataset.track;
      element.classList.toggle("choosing", Boolean(id));
      for (const one of element.querySelectorAll("[data-track]")) one.classList.toggle("marked", one.dataset.track === id);
    });
  }
}

function coloured(lane, element) {
  element.style.setProperty("--hue", 90 - lane * 36);
  return element;
}
