/** The page's state is its URL: every view can be shared, and back and forward just work. */

/** What each view carries; the rest is dropped on the way there. */
const CARRIES = {
  chart: ["region", "window", "at", "as_of", "source", "rows"],
  movers: ["region", "window", "at"],
  compare: ["region", "with", "window", "at"],
  race: ["region", "window", "at"],
  track: ["track", "region", "window"],
  artist: ["artist"],
  search: ["q"],
  operations: [],
};
const DEFAULTS = { view: "chart", region: "global", window: "hour", rows: "100" };
const WINDOWS = ["hour", "day", "week"];

const listeners = new Set();
export const onState = (listener) => listeners.add(listener);

export function state() {
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  const now = { ...DEFAULTS, ...asked };
  if (!Object.hasOwn(CARRIES, now.view)) now.view = "chart";
  if (!WINDOWS.includes(now.window)) now.window = "hour";
  now.region = now.region.toLowerCase() === "global" ? "global" : now.region.toUpperCase();
  if (!/^([A-Z]{2}|global)$/.test(now.region)) now.region = "global";
  if (now.at !== undefined && Number.isNaN(Date.parse(now.at))) delete now.at;
  return now;
}

/** The address of this state with some things changed; `undefined` takes one away. */
export function link(changes, from = state()) {
  const next = { ...from, ...changes };
  const query = new URLSearchParams();
  if (next.view !== DEFAULTS.view) query.set("view", next.view);
  for (const key of CARRIES[next.view]) {
    if (next[key] !== undefined && next[key] !== DEFAULTS[key]) query.set(key, next[key]);
  }
  const text = query.toString().replaceAll("%3A", ":");
  return text ? `/?${text}` : "/";
}

export function go(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  const before = state();
  history[replace ? "replaceState" : "pushState"](null, "", address);
  tell(before, "push");
}

function tell(before, how) {
  for (const listener of listeners) listener(state(), before, how);
}

let shown;
export function listen() {
  shown = state();
  onState((now) => (shown = now));
  addEventListener("popstate", () => tell(shown, "pop"));
  addEventListener("click", follow);
}

/** Links of the page itself change its state; those with a modifier key stay the browser's. */
function follow(event) {
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (anchor.origin !== location.origin || anchor.pathname !== "/" || anchor.hasAttribute("download") || anchor.hash) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
}
