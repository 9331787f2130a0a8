/** What a live stream says, made into charts: one in full, then what changed (charts/changes.py). */

export function apply(chart, event, told) {
  if (event === "chart") return told;
  if (event === "head") return { ...told, entries: chart.entries };
  if (event !== "changes") return chart;
  const rows = new Map(chart.entries.map((row) => [row.track_id, row]));
  for (const id of told.left) rows.delete(id);
  for (const row of [...told.entered, ...told.up, ...told.down, ...told.plays]) rows.set(row.track_id, { ...rows.get(row.track_id), ...row });
  const { plays } = told.head;
  const entries = [...rows.values()].map((row) => ({ ...row, share: plays && row.plays / plays }));
  return { ...told.head, entries: entries.sort((a, b) => a.rank - b.rank) };
}
