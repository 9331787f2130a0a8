/** The page's state is its URL: every view can be shared, and back and forward just work. */

/** What each view carries; the rest is dropped on the way there. */
const CARRIES = {
  chart: ["region", "window", "at", "as_of", "source", "rows"],
  movers: ["region", "window", "at"],
  compare: ["region", "with", "window", "at", "rows"],
  race: ["region", "window", "at"],
  track: ["track", "region", "window"],
  artist: ["artist"],
  search: ["q"],
  operations: [],
};
const DEFAULTS = { view: "chart", region: "global", window: "hour", rows: "100" };

const listeners = new Set();
let shown = state();

/** Tells of every change: the state, the one before, and whether it was a `push` or a `pop`. */
export const onState = (listener) => listeners.add(listener);

export function state() {
  const now = { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.search)) };
  if (!Object.hasOwn(CARRIES, now.view)) now.view = "chart";
  if (!["hour", "day", "week"].includes(now.window)) now.window = "hour";
  for (const key of ["region", "with"]) if (now[key] && !/^([A-Z]{2}|global)$/.test(now[key])) now[key] = DEFAULTS[key];
  if (Number.isNaN(Date.parse(now.at))) delete now.at;
  return now;
}

/** The address of this state with some things changed; `undefined` takes one away. */
export function link(changes, from = state()) {
  const next = { ...from, ...changes };
  const kept = ["view", ...CARRIES[next.view]].filter((key) => next[key] !== undefined && next[key] !== DEFAULTS[key]);
  const query = new URLSearchParams(kept.map((key) => [key, next[key]])).toString().replaceAll("%3A", ":");
  return query ? `/?${query}` : "/";
}

export function go(address, how = "push") {
  if (address === location.pathname + location.search) return;
  history[`${how}State`](null, "", address);
  tell(how);
}

function tell(how) {
  const before = shown;
  shown = state();
  for (const listener of listeners) listener(shown, before, how);
}

addEventListener("popstate", () => tell("pop"));

/** Links of the page itself change its state; those with a modifier key stay the browser's. */
addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (anchor.origin !== location.origin || anchor.pathname !== "/" || anchor.download || anchor.hash) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
});
