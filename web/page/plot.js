/** A line over windows, with a value to read under the pointer or by arrow keys. */

import { h, s, write } from "./dom.js";
import { LENGTH, span, tick } from "./format.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [44, 12, 12, 24];

/** `points` are `[time, value]`; ranks grow downward. */
export function plot({ label, kind, points, format, ranks = false, height = 200 }) {
  const svg = s("svg", { height, tabindex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": points.length - 1 });
  const read = h("output");
  const line = s("line", { y1: TOP, y2: height - BOTTOM });
  const dot = s("circle", { r: 4.5 });
  const figure = h("figure.plot", h("figcaption", h("h3", label), read), svg);
  const values = points.map(([, value]) => value);
  const [low, high] = ranks ? [1, Math.max(10, ...values)] : [0, nice(Math.max(...values, 1))];
  const last = points.length - 1;
  const [first, end] = [points[0][0], points[last][0]];
  let width = 0;
  let chosen = last;

  const x = (time) => LEFT + ((time - first) / (end - first || 1)) * (width - LEFT - RIGHT);
  const y = (value) => {
    const share = (value - low) / (high - low);
    return TOP + (ranks ? share : 1 - share) * (height - TOP - BOTTOM);
  };

  function draw() {
    const grid = [low, Math.round((low + high) / 2), high].flatMap((value) => [s("line.grid", { x1: LEFT, x2: width, y1: y(value), y2: y(value) }), s("text.end", { x: LEFT - 8, y: y(value) + 4 }, format(value))]);
    const every = Math.ceil(points.length / Math.max(2, width / 90));
    const axis = points.filter((_, at) => (last - at) % every === 0).map(([time]) => s("text", { x: Math.min(x(time), width - 18), y: height - 6 }, tick(kind, time)));
    // A window the track is missing from is a gap, not a straight line across it.
    const pieces = points.map(([time, value], at) => `${at && time - points[at - 1][0] < LENGTH[kind] * 1.5 ? "L" : "M"}${x(time)} ${y(value)}`);
    // The way to a window that is not over is no fall.
    const over = end + LENGTH[kind] > Date.now() ? last : points.length;
    const paths = [s("path", { d: pieces.slice(0, over).join("") }), s("path.open", { d: pieces.slice(over - 1).join("").replace(/^L/, "M") })];
    svg.replaceChildren(...grid, ...axis, ...paths, ...points.map(([time, value]) => s("circle", { cx: x(time), cy: y(value), r: 2 })), s("g.cursor", line, dot));
    choose(chosen);
  }

  function choose(at) {
    chosen = Math.max(0, Math.min(last, at));
    const [time, value] = points[chosen];
    for (const [one, name, to] of [[line, "x1", x(time)], [line, "x2", x(time)], [dot, "cx", x(time)], [dot, "cy", y(value)]]) one.setAttribute(name, to);
    write(read, `${format(value)} · ${span(kind, time)}`);
    svg.setAttribute("aria-valuenow", chosen);
    svg.setAttribute("aria-valuetext", read.textContent);
  }

  svg.addEventListener("pointermove", ({ offsetX }) => {
    const distance = ([time]) => Math.abs(x(time) - offsetX);
    choose(points.reduce((best, point, at) => (distance(point) < distance(points[best]) ? at : best), 0));
  });
  svg.addEventListener("pointerleave", () => choose(last));
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: last }[event.key];
    if (to !== undefined) (event.preventDefault(), choose(to));
  });
  new ResizeObserver(() => {
    if (!figure.clientWidth || figure.clientWidth === width) return;
    width = figure.clientWidth;
    svg.setAttribute("width", width);
    draw();
  }).observe(figure);
  return figure;
}

/** The next round number: 1, 2 or 5 and zeros. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
