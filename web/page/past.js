/** The windows before one: what sparklines and the race are drawn from. */

import { get } from "./api.js";
import { chartPath } from "./feed.js";
import { LENGTH, iso } from "./format.js";

/** Up to `count` charts before this one, oldest first; none where the history cannot be asked. */
export async function before(chart, count, signal) {
  const charts = [];
  try {
    // A chart in which nobody has a previous rank is the first: asking further would be a 404.
    for (let next = chart; charts.length < count && next.entries.some((entry) => entry.previous_rank); charts.unshift(next)) {
      next = await get(chartPath(chart.region, chart.window, { at: iso(Date.parse(next.starts_at) - LENGTH[chart.window]) }), { signal });
    }
  } catch (error) {
    if (error.name !== "AbortError" && error.status === undefined) throw error;
  }
  return charts;
}
