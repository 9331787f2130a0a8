/** The line across the page when what it shows is not the latest: since when, why, and what to do. */

import { h, write } from "./dom.js";
import { time } from "./format.js";

const place = document.getElementById("lost");
const text = h("span");
const button = h("button", { type: "button" }, "Try now");
const reasons = new Map();
place.append(text, button);

/** Each view says its own; the first is shown. */
export function banner(owner, reason) {
  if (reason) reasons.set(owner, reason);
  else reasons.delete(owner);
  const [first] = reasons.values();
  document.body.classList.toggle("is-lost", Boolean(first));
  place.hidden = !first;
  if (!first) return;
  const { why, asOf, retryAt, retry } = first;
  const left = Math.ceil((retryAt - Date.now()) / 1000);
  write(text, why + (asOf ? ` You see the chart as of ${time(asOf)}.` : "") + (left > 0 ? ` Trying again in ${left} s.` : ""));
  button.hidden = !retry;
  button.onclick = retry;
}
