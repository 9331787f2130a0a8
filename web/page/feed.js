/** Charts, live or of the past: one way to watch either. */

import { get, query } from "./api.js";
import { apply } from "./changes.js";
import { stream } from "./sse.js";

/** A chart that is not pushed, of a week or of a window still closing, is asked for this often. */
const POLL_MS = 10_000;
/** A partition not heard of for this long is stale, whatever the connection says. */
export const STALE_MS = 15_000;

/**
 * Watches a chart until `stop()`. `onChart(chart, glide)` gets every state of it; `onLine({state, …})` what
 * the connection is: `live`, `polled`, `still` (a final chart), `lost` or `failed`.
 */
export function watch(asked, { onChart, onLine }) {
  const live = !asked.at && !asked.as_of && !asked.source && asked.window !== "week";
  return live ? pushed(asked, onChart, onLine) : polled(asked, onChart, onLine);
}

function pushed({ region, window, limit }, onChart, onLine) {
  let chart = null;
  return stream(`/v1/live${query({ region, window, limit })}`, {
    onEvent(name, data) {
      const next = apply(chart, name, data);
      if (!next || next === chart) return;
      const glide = chart?.starts_at === next.starts_at;
      chart = { ...next, heard: Date.now() };
      onChart(chart, glide);
    },
    onLine(line, { problem, retryAt }) {
      if (line === "open") onLine({ state: "live" });
      else if (!chart && problem?.status) onLine({ state: "failed", problem, retryAt });
      else onLine({ state: "lost", problem, retryAt });
    },
  });
}

function polled({ region, window, ...rest }, onChart, onLine) {
  const line = new AbortController();
  let timer;
  let shown = false;
  async function look() {
    clearTimeout(timer);
    try {
      const chart = await get(chartPath(region, window, rest), { signal: line.signal });
      onChart({ ...chart, heard: Date.now() }, shown);
      shown = true;
      onLine({ state: chart.status === "final" ? "still" : "polled" });
      if (chart.status !== "final") timer = setTimeout(look, POLL_MS);
    } catch (error) {
      if (error.name === "AbortError") return;
      const retryAt = Date.now() + POLL_MS;
      onLine({ state: shown && !error.status ? "lost" : "failed", problem: error, retryAt });
      if (error.status !== 404) timer = setTimeout(look, POLL_MS);
    }
  }
  look();
  return { retry: look, stop: () => (line.abort(), clearTimeout(timer)) };
}

export const chartPath = (region, window, asked) => `/v1/charts/${region}/${window}${query(asked)}`;
