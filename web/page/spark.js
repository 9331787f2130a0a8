/** A sparkline: the plays of the windows before, and where the present one stands. */

import { s } from "./dom.js";

const WIDTH = 72;
const HEIGHT = 24;
const EDGE = 3;

export function spark(svg, past, now) {
  const values = [...(past ?? []), now];
  if (values.length < 2) return svg.replaceChildren();
  const most = Math.max(...values, 1);
  const points = values.map((value, place) => [
    EDGE + (place / (values.length - 1)) * (WIDTH - 2 * EDGE),
    HEIGHT - EDGE - ((value ?? 0) / most) * (HEIGHT - 2 * EDGE),
  ]);
  const d = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const [x, y] = points.at(-1);
  svg.replaceChildren(s("path", { d }), s("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2 }));
}
