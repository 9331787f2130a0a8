/** The page: a frame that stays (masthead, toolbar) and a view that follows the URL. */

import { account } from "./account.js";
import { h, icon, say, still } from "./dom.js";
import { searchBox } from "./search.js";
import { may, onSession, renew } from "./session.js";
import { link, onState, state } from "./state.js";
import { toolbar } from "./toolbar.js";
import { artist, search } from "./views/found.js";
import { chart } from "./views/chart.js";
import { compare } from "./views/compare.js";
import { movers } from "./views/movers.js";
import { operations } from "./views/operations.js";
import { race } from "./views/race.js";
import { track } from "./views/track.js";

/** Each view fills its place as the state says, until its signal is aborted. */
const VIEWS = { chart, movers, compare, race, track, artist, search, operations };
const NAV = [["chart", "Chart"], ["movers", "Movers"], ["compare", "Compare"], ["race", "Race"], ["operations", "Operations"]];

const main = document.getElementById("main");
let leaving = new AbortController();

function show(now, before, how) {
  const another = before && before.view !== now.view;
  const swap = () => {
    leaving.abort();
    leaving = new AbortController();
    const place = h(`div.view-${now.view}`);
    main.replaceChildren(place);
    VIEWS[now.view](now, { place, signal: leaving.signal, title: (text) => (document.title = `${text} · Livecharts`) });
    if (how === "push" && another) scrollTo(0, 0);
  };
  frame(now);
  if (!before || still() || document.hidden || !document.startViewTransition) swap();
  else {
    // A transition that another one overtakes is no error.
    const { ready, finished } = document.startViewTransition(swap);
    for (const promise of [ready, finished]) promise.catch(() => {});
  }
  if (!another) return;
  main.focus({ preventScroll: true });
  say(NAV.find(([view]) => view === now.view)?.[1] ?? now.view, true);
}

function frame(now) {
  const links = NAV.filter(([view]) => view !== "operations" || may("editor", "admin")).map(([view, text]) =>
    h("a", { href: link({ view, at: undefined, as_of: undefined }, now), "aria-current": now.view === view && "page" }, icon(view), h("span", text)),
  );
  document.getElementById("nav").replaceChildren(...links);
  toolbar(now);
}

searchBox(document.getElementById("search"));
// Who was logged in reads as such from the start; everybody else sees the chart at once.
await renew();
account(document.getElementById("account"));
onSession(() => show(state()));
onState(show);
