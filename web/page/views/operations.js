/** Operations: what became of every record, how each partition does, and what waits for an editor. */

import { ask as request, get } from "../api.js";
import { ask as logIn } from "../account.js";
import { button, h, notice, say, stamp, table, write } from "../dom.js";
import { duration, number, percent, sentence, time, when } from "../format.js";
import { may, me } from "../session.js";

const EVERY_MS = 3000;
const LATE_MS = 10_000;

export function operations(now, { place, signal, title }) {
  title("Operations");
  place.append(h("header.hero", h("h1", "Operations")));
  if (!may("editor", "admin")) {
    place.append(notice("For editors and admins", me() ? "Your account may read the charts only." : "Log in to see how the count is doing.", me() ? null : button("Log in", logIn, "primary")));
    return;
  }
  created = null;
  const sides = [h("div"), h("div")];
  place.append(...sides);
  const parts = [["Ledger", ledger], ["Lake", jobs], ["Partitions", partitions], ["API keys", keys], ["Tracks to name", unknown]].map(([label, look], at) => {
    const failed = h("p.failed", { role: "status" });
    const body = h("div");
    sides[Number(at > 1)].append(h("section", h("h2", label), failed, body));
    /** What somebody is typing or about to press stays, also while the answer is under way. */
    const busy = () => body.querySelector("input:focus, button:focus, button:active") || [...body.querySelectorAll("input")].some((input) => input.value !== input.defaultValue);
    /** Each part for itself: one that is away does not hide the others. */
    return async function refresh(anew) {
      try {
        if (!anew && busy()) return;
        const content = await look(signal, () => refresh(true));
        if (anew || !busy()) body.replaceChildren(...[content].flat());
        write(failed, "");
      } catch (error) {
        if (error.name !== "AbortError") write(failed, sentence(error.message));
      }
    };
  });
  (async function look() {
    await Promise.all(parts.map((refresh) => refresh()));
    if (!signal.aborted) setTimeout(look, EVERY_MS);
  })();
}

async function ledger(signal) {
  const { records, verdicts } = await get("/v1/ledger", { signal });
  const known = Object.keys(verdicts).filter((name) => verdicts[name]);
  const share = (name) => percent(verdicts[name] / records);
  const bar = known.map((name) => {
    const piece = h(`i.v-${name}`, { title: `${name}, ${share(name)}` });
    piece.style.flexGrow = verdicts[name];
    return piece;
  });
  return [
    h("p.big", number(records), h("small", " records, each with one verdict")),
    h("div.verdicts", { role: "img", "aria-label": known.map((name) => `${name} ${share(name)}`).join(", ") }, bar),
    table("Verdicts", [["Verdict", (name) => [h(`i.dot.v-${name}`), name]], ["Records", (name) => number(verdicts[name]), "number"], ["Share", share, "number"]], known),
  ];
}

async function partitions(signal) {
  const { partitions: heads } = await get("/v1/partitions", { signal });
  return table("Partitions", [
    ["Partition", (head) => head.partition, "number"],
    ["Fresh", (head) => good(head.freshness_ms < LATE_MS, duration(head.freshness_ms)), "number"],
    ["Lag", (head) => number(head.lag), "number"],
    ["Counted up to", (head) => time(Date.parse(head.clock)), "number"],
  ], heads);
}

async function jobs(signal) {
  const { jobs: list } = await get("/v1/lake/jobs?limit=12", { signal });
  if (!list.length) return h("p.soft", "Nothing was curated yet: it begins when an hour is final.");
  return table("Lake jobs", [
    ["Job", (job) => `${job.kind}, ${when(job.starts_at)}`],
    ["Status", (job) => good(job.status !== "failed", job.reason ?? job.status)],
    ["Rows", (job) => number(job.rows_out ?? 0), "number"],
  ], list);
}

async function unknown(signal, refresh) {
  const { items } = await get("/v1/tracks?unknown=true&limit=8", { signal });
  if (!items.length) return h("p.soft", "Every charted track is in the catalogue.");
  return h("ul.forms", items.map((track) => {
    const parts = stamp("name");
    const { track_id } = track;
    write(parts.id, (parts.id.title = track_id));
    for (const field of ["title", "artist"]) parts[field].defaultValue = track[field] ?? "";
    submitted(parts, async ({ title, artist }) => {
      await request("/v1/tracks", { method: "POST", body: { track_id, title, artist } });
      say(`${title} is in the catalogue.`, true);
      await refresh();
    });
    return parts.element;
  }));
}

/** A key just made, while this view is open: nobody who comes later sees it. */
let created = null;

async function keys(signal, refresh) {
  const found = (await get("/v1/auth/keys", { signal })).filter((key) => !key.revoked_at);
  const parts = stamp("key");
  submitted({ form: parts.element, ...parts }, async ({ name, region }) => {
    created = (await (await request("/v1/auth/keys", { method: "POST", body: { name, region: region || null } })).json()).key;
    await refresh();
  });
  const revoke = (key) => button("Revoke", async () => (await request(`/v1/auth/keys/${key.key_id}`, { method: "DELETE" }), refresh()));
  return [
    parts.element,
    created && h("p.secret", "Shown only now: ", h("code", created)),
    found.length && table("API keys", [["Name", (key) => key.name], ["Key", (key) => h("code", `${key.key_id}…`)], ["Region", (key) => key.region ?? "any"], ["Used", (key) => (key.last_used_at ? when(key.last_used_at) : "never")], ["Revoke", revoke]], found),
  ].filter(Boolean);
}

/** A form that says what went wrong beside its button. */
function submitted({ form, failed }, send) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    await send(Object.fromEntries(new FormData(form))).catch((error) => write(failed, sentence(error.message)));
  };
}

const good = (is, text) => h(is ? "span.good" : "span.bad", text);
