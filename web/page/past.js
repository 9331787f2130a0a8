/** The windows before one: what sparklines and the race are drawn from. Final charts never change: kept. */

import { get } from "./api.js";
import { chartPath } from "./feed.js";
import { LENGTH, iso } from "./format.js";

const KEPT_MAX = 200;
const kept = new Map();

/** Up to `count` charts before this one, oldest first; none where the history cannot be asked. */
export async function before(chart, count, signal) {
  const charts = [];
  try {
    // A chart in which nobody has a previous rank is the first: asking further would be a 404.
    for (let next = chart; charts.length < count && next.entries.some((entry) => entry.previous_rank); charts.unshift(next)) {
      next = await one(chartPath(chart.region, chart.window, { at: iso(Date.parse(next.starts_at) - LENGTH[chart.window]) }), signal);
    }
  } catch (error) {
    if (error.name !== "AbortError" && error.status === undefined) throw error;
  }
  return charts;
}

async function one(path, signal) {
  if (kept.has(path)) return kept.get(path);
  const chart = await get(path, { signal });
  if (chart.status === "final") kept.set(path, chart);
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value);
  return chart;
}
