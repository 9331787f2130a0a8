/** Charts, live or of the past: one way to watch either. */

import { get, query } from "./api.js";
import { apply } from "./changes.js";
import { stream } from "./sse.js";

/** A chart that is not pushed, of a week or of a window still closing, is asked for this often. */
const POLL_MS = 10_000;
/** Changes come partition by partition; they are shown together, this often at most. */
const PACE_MS = 500;
/** A partition not heard of for this long is stale, whatever the connection says. */
export const STALE_MS = 15_000;

/**
 * Watches a chart until the signal. `onChart(chart, glide)` gets every state of it; `onLine({state, …})` what the
 * connection is: `live`, `polled`, `still` (a final chart), `lost` or `failed`. Returns what tries again at once.
 */
export function watch(asked, signal, told) {
  const { at, as_of, source, window } = asked;
  return at || as_of || source || window === "week" ? polled(asked, signal, told) : pushed(asked, signal, told);
}

function pushed({ region, window, limit }, signal, { onChart, onLine }) {
  let chart = null;
  let shown = null;
  let timer;
  function show() {
    const glide = shown?.starts_at === chart.starts_at;
    timer = setTimeout(() => {
      timer = undefined;
      if (shown !== chart && !signal.aborted) show();
    }, PACE_MS);
    onChart((shown = chart), glide);
  }
  return stream(`/v1/live${query({ region, window, limit })}`, signal, {
    onEvent(event, told) {
      chart = { ...apply(chart, event, told), heard: Date.now() };
      if (!timer) show();
    },
    onLine(state, { problem, retryAt }) {
      const failed = !chart && problem?.status !== undefined;
      onLine({ state: state === "open" ? "live" : failed ? "failed" : "lost", problem, retryAt });
    },
  });
}

function polled({ region, window, ...rest }, signal, { onChart, onLine }) {
  let timer;
  let shown = false;
  async function look() {
    clearTimeout(timer);
    try {
      const chart = await get(chartPath(region, window, rest), { signal });
      onChart({ ...chart, heard: Date.now() }, shown);
      shown = true;
      onLine({ state: chart.status === "final" ? "still" : "polled" });
      if (chart.status !== "final") timer = setTimeout(look, POLL_MS);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      onLine({ state: shown ? "lost" : "failed", problem, retryAt: Date.now() + POLL_MS });
      if (problem.status !== 404) timer = setTimeout(look, POLL_MS);
    }
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  look();
  return look;
}

export const chartPath = (region, window, asked) => `/v1/charts/${region}/${window}${query(asked)}`;
