/** Numbers, names and times as the reader's locale writes them. Windows are UTC, and say so. */

const locale = navigator.languages;
const numbers = new Intl.NumberFormat(locale);
const percents = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const names = new Intl.DisplayNames(locale, { type: "region", fallback: "code" });
const utc = (options) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options });
const day = utc({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const dayShort = utc({ day: "numeric", month: "short" });
const dayHour = utc({ weekday: "short", day: "numeric", month: "short" });
const clock = utc({ hour: "2-digit", minute: "2-digit" });
const seconds = utc({ hour: "2-digit", minute: "2-digit", second: "2-digit" });

const HOUR = 3_600_000;
export const LENGTH = { hour: HOUR, day: 24 * HOUR, week: 168 * HOUR };

export const number = (n) => numbers.format(n);
/** A count, where there is one: other publishers' charts may tell ranks alone. */
export const said = (n) => (n ? number(n) : "–");
export const percent = (x) => percents.format(x);

export const region = (code) => (code === "global" ? "Global" : names.of(code));

const emoji = (code) => String.fromCodePoint(...[...code].map((letter) => 0x1f1a5 + letter.charCodeAt(0)));
const pen = document.createElement("canvas").getContext("2d");
/** A font with flags draws two letters as one sign; without one there would be boxes. */
const flags = pen.measureText(emoji("DE")).width < 1.5 * pen.measureText(emoji("D")).width;

/** The flag of a region that Unicode knows, where the reader's fonts have flags. */
export const flag = (code) => (!flags || code === "global" || names.of(code) === code ? "" : emoji(code));

/** A span of UTC time: `14:00 – 15:00 UTC`, a date, or a week. */
export function span(kind, start) {
  if (kind === "hour") return `${dayHour.format(start)}, ${clock.format(start)} – ${clock.format(start + HOUR)} UTC`;
  return kind === "day" ? `${day.format(start)}, UTC` : `${dayShort.formatRange(start, start + LENGTH.week - 1)}, UTC`;
}

/** A window as an axis names it. */
export const tick = (kind, start) => (kind === "hour" ? clock : dayShort).format(start);
export const when = (text) => `${utc({ dateStyle: "short", timeStyle: "short" }).format(Date.parse(text))} UTC`;
export const time = (ms) => `${seconds.format(ms)} UTC`;

/** How long something took or is old: `0.8 s`, `42 s`, `3 min`, `2 h`. */
export function duration(ms) {
  const [value, unit] = ms < 59_500 ? [ms / 1000, "second"] : ms < HOUR ? [ms / 60_000, "minute"] : [ms / HOUR, "hour"];
  const [minimumFractionDigits, maximumFractionDigits] = value < 9.95 ? [1, 1] : [0, 0];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "narrow", minimumFractionDigits, maximumFractionDigits }).format(value);
}

/** The window that contains a time: hours and days from 1970, weeks from a Monday. */
export function windowStart(kind, ms) {
  const origin = kind === "week" ? 4 * LENGTH.day : 0;
  return ms - ((((ms - origin) % LENGTH[kind]) + LENGTH[kind]) % LENGTH[kind]);
}

export const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
export const sentence = (text) => `${text.slice(0, 1).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
