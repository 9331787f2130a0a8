/** Operations: what became of every record, how each partition does, and what waits for an editor. */

import { ask as request, get } from "../api.js";
import { ask as logIn } from "../account.js";
import { h, notice, say, table, write } from "../dom.js";
import { ago, duration, moment, number, percent, sentence } from "../format.js";
import { may, me } from "../session.js";

const EVERY_MS = 3000;
const VERDICTS = ["counted", "duplicate", "short", "late", "early", "malformed", "forwarded", "tick", "capped"];

export function operations(now, { place, title }) {
  title("Operations");
  place.append(h("header", { class: "hero" }, h("h1", {}, "Operations")));
  if (!may("editor", "admin")) {
    place.append(notice("For editors and admins", me() ? "Your account may read the charts only." : "Log in to see how the count is doing.", me() ? null : h("button", { type: "button", class: "primary", onclick: () => logIn() }, "Log in")));
    return { stop() {} };
  }
  const parts = [ledger(), partitions(), ready(), jobs(), unknown(), keys()];
  place.append(h("div", { class: "boards" }, parts.map((part) => part.element)));
  const leaving = new AbortController();
  let timer;
  /** Each part for itself: one that is away does not hide the others. */
  async function look(all) {
    await Promise.all(parts.filter((part) => all || part.live).map((part) => part.look(leaving.signal).then(() => part.failed(""), (error) => error.name === "AbortError" || part.failed(sentence(error.message)))));
    if (!leaving.signal.aborted) timer = setTimeout(() => look(false), EVERY_MS);
  }
  look(true);
  return { stop: () => (leaving.abort(), clearTimeout(timer)) };
}

function part(label, look, { live = false, wide = false } = {}) {
  const body = h("div");
  const failed = h("p", { class: "failed", role: "status" });
  return { live, element: h("section", { class: wide && "wide" }, h("h2", {}, label), failed, body), failed: (text) => write(failed, text), look: async (signal) => body.replaceChildren(...[await look(signal)].flat()) };
}

function ledger() {
  return part("Ledger", async (signal) => {
    const { records, verdicts } = await get("/v1/ledger", { signal });
    const known = VERDICTS.filter((name) => verdicts[name]);
    const bar = h("div", { class: "verdicts", role: "img", "aria-label": known.map((name) => `${name} ${percent(verdicts[name] / records)}`).join(", ") }, known.map((name) => {
      const piece = h("i", { class: `v-${name}`, title: name });
      piece.style.flexGrow = verdicts[name];
      return piece;
    }));
    return [h("p", { class: "big" }, number(records), h("small", {}, " records, each with one verdict")), bar, table("Verdicts", [
      ["Verdict", (name) => [h("i", { class: `dot v-${name}` }), name]],
      ["Records", (name) => number(verdicts[name]), "number"],
      ["Share", (name) => percent(verdicts[name] / records), "number"],
    ], known)];
  }, { live: true });
}

function partitions() {
  return part("Partitions", async (signal) => {
    const { partitions: heads } = await get("/v1/partitions", { signal });
    const latest = Math.max(...heads.map((head) => Date.parse(head.stream_time)));
    return table("Partitions", [
      ["", (head) => number(head.partition), "number"],
      ["Fresh", (head) => h("span", { class: head.freshness_ms > 10_000 ? "bad" : "good" }, duration(head.freshness_ms)), "number"],
      ["Behind", (head) => duration(latest - Date.parse(head.clock)), "number"],
      ["Applied", (head) => number(head.applied), "number"],
      ["Counted up to", (head) => moment(Date.parse(head.clock))],
    ], heads);
  }, { live: true, wide: true });
}

function ready() {
  return part("This worker", async (signal) => {
    const { checks } = await get("/ready", { signal });
    return table("Dependencies", [["", ([name]) => name], ["State", ([, check]) => h("span", { class: check.ok ? "good" : "bad" }, check.ok ? "answers" : check.reason)]], Object.entries(checks));
  }, { live: true });
}

function jobs() {
  return part("Lake", async (signal) => {
    const { jobs: list } = await get("/v1/lake/jobs", { signal });
    if (!list.length) return h("p", { class: "soft" }, "Nothing was curated yet: it begins when an hour is final.");
    return table("Lake jobs", [
      ["Window", (job) => job.window ?? job.hour ?? ""],
      ["Status", (job) => job.status],
      ["Rows", (job) => number(job.rows ?? 0), "number"],
      ["When", (job) => job.finished_at && ago(Date.parse(job.finished_at))],
    ], list.slice(0, 12));
  }, { live: true, wide: true });
}

function unknown() {
  const waiting = part("Tracks to name", async (signal) => {
    const { items } = await get("/v1/tracks?unknown=true&limit=20", { signal });
    return items.length ? h("ul", { class: "forms" }, items.map((track) => h("li", {}, name(track)))) : h("p", { class: "soft" }, "Every charted track is in the catalogue.");
  }, { wide: true });
  const name = (track) => {
    const field = (label, key) => h("input", { name: key, "aria-label": `${label} of ${track.track_id}`, placeholder: label, required: true, value: track[key] ?? "" });
    return form([h("span", { class: "id", title: track.track_id }, track.track_id), field("Title", "title"), field("Artist", "artist"), h("button", {}, "Save")], async (fields) => {
      await request("/v1/tracks", { method: "POST", body: { track_id: track.track_id, ...fields } });
      say(`${fields.title} is in the catalogue.`, true);
      await waiting.look();
    });
  };
  return waiting;
}

function keys() {
  const secret = h("output", { class: "secret" });
  const list = part("API keys", async (signal) => {
    const found = (await get("/v1/auth/keys", { signal })).filter((key) => !key.revoked_at);
    const revoke = (key) => h("button", { type: "button", "aria-label": `Revoke ${key.name}`, onclick: async () => (await request(`/v1/auth/keys/${key.key_id}`, { method: "DELETE" }), list.look()) }, "Revoke");
    return [create, secret, table("API keys", [
      ["Name", (key) => key.name],
      ["Key", (key) => h("code", {}, `lck_${key.key_id}…`)],
      ["Region", (key) => key.region ?? "any"],
      ["Used", (key) => (key.last_used_at ? ago(Date.parse(key.last_used_at)) : "never")],
      ["", revoke],
    ], found)];
  }, { wide: true });
  const create = form([h("input", { name: "name", "aria-label": "Name of the new key", placeholder: "What the key is for", required: true, maxlength: 64 }), h("input", { name: "region", "aria-label": "Region of the new key", placeholder: "Region", pattern: "[A-Z]{2}", size: 6 }), h("button", {}, "Create a key")], async ({ name, region }) => {
    const key = await (await request("/v1/auth/keys", { method: "POST", body: { name, region: region || null } })).json();
    secret.replaceChildren("Shown only now: ", h("code", {}, key.key));
    create.reset();
    await list.look();
  });
  return list;
}

/** A form in one line that says what went wrong beside its button. */
function form(children, send) {
  const failed = h("p", { class: "failed", role: "alert" });
  return h("form", {
    class: "line-form",
    async onsubmit(event) {
      event.preventDefault();
      try {
        await send(Object.fromEntries(new FormData(event.currentTarget)));
      } catch (error) {
        write(failed, sentence(error.message));
      }
    },
  }, children, failed);
}
