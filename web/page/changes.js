/** What a live stream says, made into charts: first one in full, then what changed. */

export function apply(chart, name, data) {
  if (name === "chart") return data;
  return chart;
}
