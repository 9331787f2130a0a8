/** The page: a frame that stays (masthead, toolbar) and a view that follows the URL. */

import { account } from "./account.js";
import { h, icon, say, still } from "./dom.js";
import { searchBox } from "./search.js";
import { may, onSession, resume } from "./session.js";
import { link, listen, onState, state } from "./state.js";
import { theme } from "./themes.js";
import { Toolbar } from "./toolbar.js";
import { artist } from "./views/artist.js";
import { chart } from "./views/chart.js";
import { compare } from "./views/compare.js";
import { found } from "./views/found.js";
import { movers } from "./views/movers.js";
import { operations } from "./views/operations.js";
import { race } from "./views/race.js";
import { track } from "./views/track.js";

/** Each view makes `{element, title, stop()}` of the state; a view that can changes in place with `show(state)`. */
const VIEWS = { chart, movers, compare, race, track, artist, search: found, operations };
const NAV = [["chart", "Chart"], ["movers", "Movers"], ["compare", "Compare"], ["race", "Race"], ["operations", "Operations"]];

const main = document.getElementById("main");
const toolbar = new Toolbar(document.getElementById("bar"));
let current = null;

function navigate(now, before, how) {
  const another = before?.view !== now.view;
  const swap = () => {
    current?.stop();
    const place = h("div", { class: `view ${now.view}` });
    main.replaceChildren(place);
    current = VIEWS[now.view](now, { place, toolbar, title: setTitle });
    if (how === "push" && another) scrollTo(0, 0);
  };
  frame(now);
  if (!before || still() || document.hidden || !document.startViewTransition) swap();
  else quietly(document.startViewTransition(swap));
  if (before && another) {
    main.focus({ preventScroll: true });
    say(document.title, true);
  }
}

/** A transition that another one overtakes is no error. */
function quietly({ ready, finished }) {
  for (const promise of [ready, finished]) promise.catch(() => {});
}

function setTitle(text) {
  document.title = text ? `${text} · Livecharts` : "Livecharts";
}

function frame(now) {
  const links = NAV.filter(([view]) => view !== "operations" || may("editor", "admin"));
  document.getElementById("nav").replaceChildren(
    ...links.map(([view, text]) =>
      h("a", { href: link({ view, track: undefined, q: undefined, at: undefined, as_of: undefined }, now), "aria-current": now.view === view && "page" }, icon(view), h("span", {}, text)),
    ),
  );
  toolbar.show(now);
}

theme(document.getElementById("theme"));
account(document.getElementById("account"));
searchBox(document.getElementById("search"));
listen();
onState(navigate);
onSession(() => navigate(state(), null, "session"));
setTitle("");
// Who was logged in reads as before; everybody else sees the chart at once.
if (localStorage.getItem("livecharts.refresh")) {
  await resume();
  if (!current) navigate(state(), null, "start");
} else {
  resume();
  navigate(state(), null, "start");
}
