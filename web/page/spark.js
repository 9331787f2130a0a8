/** A sparkline: the share of all plays in the windows before, and in the present one, which need not be over. */

import { s } from "./dom.js";

const [WIDTH, HEIGHT, EDGE] = [72, 24, 3];

export function spark(svg, values) {
  const most = (Math.max(...values) || 1);
  const points = values.map((value, place) => [EDGE + (place / (values.length - 1)) * (WIDTH - 2 * EDGE), HEIGHT - EDGE - (value / most) * (HEIGHT - 2 * EDGE)].map((n) => n.toFixed(1)));
  const [cx, cy] = points.at(-1);
  svg.replaceChildren(s("path", { d: `M${points.join("L")}` }), s("circle", { cx, cy, r: 2 }));
}
