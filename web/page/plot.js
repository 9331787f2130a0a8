/** A line over windows, with a value to read under the pointer or by arrow keys. */

import { h, s, write } from "./dom.js";
import { span, tick } from "./format.js";

const HEIGHT = 200;
const EDGE = { left: 44, right: 12, top: 12, bottom: 24 };

/** `points` are `{at, value}` by time; ranks grow downward. */
export function plot({ label, kind, points, format, ranks = false }) {
  const svg = s("svg", { height: HEIGHT, tabindex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": points.length - 1 });
  const read = h("output", {}, "");
  const cursor = s("g", { class: "cursor" }, s("line", { y1: EDGE.top, y2: HEIGHT - EDGE.bottom }), s("circle", { r: 4.5 }));
  const figure = h("figure", { class: "plot" }, h("figcaption", {}, h("h3", {}, label), read), svg);
  const values = points.map((point) => point.value);
  const high = ranks ? Math.max(10, ...values) : nice(Math.max(...values, 1));
  const low = ranks ? 1 : 0;
  const first = points[0].at;
  const length = points.at(-1).at - first || 1;
  let width = 0;
  let chosen = points.length - 1;

  const x = (at) => EDGE.left + ((at - first) / length) * (width - EDGE.left - EDGE.right);
  const y = (value) => {
    const share = (value - low) / (high - low);
    return EDGE.top + (ranks ? share : 1 - share) * (HEIGHT - EDGE.top - EDGE.bottom);
  };

  function draw() {
    const grid = [low, Math.round((low + high) / 2), high].map((value) => [s("line", { class: "grid", x1: EDGE.left, x2: width, y1: y(value), y2: y(value) }), s("text", { x: EDGE.left - 8, y: y(value) + 4, class: "end" }, format(value))]);
    const every = Math.ceil(points.length / Math.max(2, Math.floor(width / 90)));
    const axis = points.map(({ at }, place) => (points.length - 1 - place) % every === 0 && s("text", { x: Math.min(x(at), width - 18), y: HEIGHT - 6 }, tick(kind, at)));
    // A window the track is missing from is a gap, not a straight line across it.
    const step = Math.min(...points.slice(1).map(({ at }, place) => at - points[place].at), Infinity);
    const d = points.map(({ at, value }, place) => `${place && at - points[place - 1].at < step * 1.5 ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    svg.replaceChildren(...grid.flat(), ...axis.filter(Boolean), s("path", { d }), ...(points.length < 60 ? points.map(({ at, value }) => s("circle", { cx: x(at), cy: y(value), r: 2.5 })) : []), cursor);
    choose(chosen);
  }

  function choose(place) {
    chosen = Math.max(0, Math.min(points.length - 1, place));
    const { at, value } = points[chosen];
    const [line, dot] = cursor.children;
    for (const name of ["x1", "x2"]) line.setAttribute(name, x(at));
    dot.setAttribute("cx", x(at));
    dot.setAttribute("cy", y(value));
    const text = `${format(value)} · ${span(kind, at)}`;
    write(read, text);
    svg.setAttribute("aria-valuenow", chosen);
    svg.setAttribute("aria-valuetext", text);
  }

  svg.addEventListener("pointermove", ({ offsetX }) => {
    let best = 0;
    points.forEach(({ at }, place) => Math.abs(x(at) - offsetX) < Math.abs(x(points[best].at) - offsetX) && (best = place));
    choose(best);
  });
  svg.addEventListener("pointerleave", () => choose(points.length - 1));
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: points.length - 1 }[event.key];
    if (to !== undefined) (event.preventDefault(), choose(to));
  });
  new ResizeObserver(() => {
    const now = figure.clientWidth;
    if (now && now !== width) ((width = now), svg.setAttribute("width", now), draw());
  }).observe(figure);
  return figure;
}

/** The next round number: 1, 2 or 5 and zeros. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
