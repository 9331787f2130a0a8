/** Movers: who gained and lost most ranks against the window before, and who is new. */

import { charted } from "../charted.js";
import { h } from "../dom.js";
import { Rows } from "../rows.js";

const MOST = 20;
const by = (entry) => entry.rank - entry.previous_rank;
const LISTS = [
  ["Climbing", ["up"], (a, b) => by(a) - by(b) || a.rank - b.rank],
  ["Falling", ["down"], (a, b) => by(b) - by(a) || a.rank - b.rank],
  ["New and back", ["new", "re-entry"], (a, b) => a.rank - b.rank],
];

export function movers(now, frame) {
  const lists = LISTS.map(([label, kinds, order]) => {
    const rows = new Rows(label);
    const none = h("p.soft", "Nobody, in this window.");
    return { rows, none, kinds, order, element: h("section", h("h2", label), rows.element, none) };
  });
  charted(now, frame, h("div.columns", lists.map((list) => list.element)), (chart, { glide }) => {
    for (const { rows, none, kinds, order } of lists) {
      const entries = chart.entries.filter((entry) => kinds.includes(entry.movement)).sort(order).slice(0, MOST);
      rows.show({ ...chart, entries }, glide);
      none.hidden = entries.length;
      rows.element.hidden = !entries.length;
    }
  });
}
