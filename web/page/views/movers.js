/** Movers: who gained and lost most ranks against the window before, and who is new. */

import { charted } from "../charted.js";
import { h, notice } from "../dom.js";
import { Rows } from "../rows.js";

const MOST = 20;
const by = (entry) => entry.rank - entry.previous_rank;
const LISTS = [
  ["Climbing", (entry) => entry.movement === "up", (a, b) => by(a) - by(b) || a.rank - b.rank],
  ["Falling", (entry) => entry.movement === "down", (a, b) => by(b) - by(a) || a.rank - b.rank],
  ["New and back", ({ movement }) => movement === "new" || movement === "re-entry", (a, b) => a.rank - b.rank],
];

export function movers(now, frame) {
  const lists = LISTS.map(([label, belongs, order]) => {
    const rows = new Rows(label);
    const none = notice("None", `Nothing is ${label.toLowerCase()} in this ${now.window}.`);
    return { rows, none, belongs, order, element: h("section", {}, h("h2", {}, label), rows.element, none) };
  });
  const element = h("div", { class: "columns" }, lists.map((list) => list.element));
  return charted(now, frame, element, (chart, { glide }) => {
    for (const { rows, none, belongs, order } of lists) {
      const entries = chart.entries.filter(belongs).sort(order).slice(0, MOST);
      rows.show({ ...chart, entries }, glide);
      none.hidden = entries.length > 0;
      rows.element.hidden = !entries.length;
    }
  });
}
