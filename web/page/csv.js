/** The chart on the page as a file: exactly what is seen, in the API's own names. */

import { h } from "./dom.js";

const COLUMNS = ["rank", "track_id", "title", "artist", "plays", "share", "previous_rank", "movement", "peak_rank", "windows_on_chart"];

export function csv(chart) {
  const lines = [COLUMNS, ...chart.entries.map((entry) => COLUMNS.map((name) => entry[name]))];
  const text = lines.map((line) => line.map(field).join(",")).join("\r\n");
  const url = URL.createObjectURL(new Blob([`${text}\r\n`], { type: "text/csv" }));
  const name = [chart.region, chart.window, chart.starts_at.slice(0, chart.window === "hour" ? 13 : 10)].join("-");
  h("a", { href: url, download: `${name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A title that looks like a formula stays a title when a spreadsheet opens it. */
function field(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
