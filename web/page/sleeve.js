/** A record sleeve drawn from a track's id: the same track always wears the same one, and no host is asked. */

import { s } from "./dom.js";

function hash(text) {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  value = Math.imul(value ^ (value >>> 15), 2246822507);
  return (value ^ (value >>> 13)) >>> 0;
}

const MOTIFS = [
  (ink) => [s("circle", { cx: 20, cy: 20, r: 12, fill: ink })],
  (ink) => [s("path", { d: "M0 40A40 40 0 0 1 40 0V40Z", fill: ink })],
  (ink) => [s("path", { d: "M0 20A20 20 0 0 1 40 20ZM8 40A12 12 0 0 1 32 40Z", fill: ink })],
  (ink) => [s("path", { d: "M6 34V18H11V34ZM14.5 34V8H19.5V34ZM23 34V14H28V34ZM31 34V24H36V34Z", fill: ink })],
];

export function sleeve(id, size = 40) {
  const seed = hash(id);
  const hue = seed % 360;
  const other = (hue + 30 + ((seed >>> 9) % 5) * 45) % 360;
  const turn = ((seed >>> 14) % 4) * 90;
  const motif = MOTIFS[(seed >>> 20) % MOTIFS.length](`oklch(0.83 0.11 ${other})`);
  return s(
    "svg.sleeve",
    { viewBox: "0 0 40 40", width: size, height: size, "aria-hidden": "true" },
    s("rect", { width: 40, height: 40, fill: `oklch(0.46 0.1 ${hue})` }),
    s("g", { transform: `rotate(${turn} 20 20)` }, motif),
  );
}
