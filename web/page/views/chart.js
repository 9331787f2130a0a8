/** The chart: what the page is for. */

import { charted } from "../charted.js";
import { region as nameOf } from "../format.js";
import { before } from "../past.js";
import { Rows } from "../rows.js";

/** Windows before this one that a sparkline shows. */
const TREND = 12;

export function chart(now, frame) {
  const rows = new Rows(`${nameOf(now.region)}, ${now.window} chart`);
  charted(now, frame, rows.element, (chart, { glide, begins }) => {
    rows.show(chart, glide);
    if (begins) trends(chart);
  });

  /** The sparklines come when the chart stands: they may take their time. */
  async function trends(chart) {
    const past = await before(chart, TREND, frame.signal);
    const shares = past.map(({ entries }) => new Map(entries.map((entry) => [entry.track_id, entry.share])));
    if (past.length) rows.past((id) => shares.map((window) => window.get(id) ?? 0));
  }
}
