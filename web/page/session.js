/**
 * Who is reading. The access token lives in memory only; the refresh token, good for one use, is kept for the
 * next visit. Tabs share it, so its use is behind a lock: used twice, it would end the log-in everywhere.
 */

import { send } from "./api.js";

/** Renew this long before the end, so that no request meets an expired token. */
const AHEAD_MS = 60_000;
const KEPT = "livecharts.refresh";

let token = null;
let person = null;
let timer;
const listeners = new Set();

export const bearer = () => token;
export const me = () => person;
export const may = (...roles) => roles.includes(person?.role);

/** Tells who is reading, now and whenever that changes. */
export function onSession(listener) {
  listeners.add(listener);
  listener(person);
}

export async function logIn(username, password) {
  take(await post("token", { username, password }));
}

export async function logOut() {
  const refresh_token = localStorage.getItem(KEPT);
  forget();
  await post("logout", { refresh_token });
}

/** Browsers have locks on safe lines only; elsewhere two tabs may end each other's log-in, and no worse. */
const locked = (work) => (navigator.locks ? navigator.locks.request(KEPT, work) : work());

/** The next access token; false where the log-in has ended. Without a connection it is kept for later. */
export const renew = async () =>
  localStorage.getItem(KEPT) !== null &&
  locked(async () => {
    const refresh_token = localStorage.getItem(KEPT);
    if (!refresh_token) return false;
    try {
      take(await post("refresh", { refresh_token }));
      return true;
    } catch (error) {
      if (error.status === 401) forget();
      else timer = setTimeout(renew, AHEAD_MS / 4);
      return false;
    }
  });

// What one tab does, the others follow.
addEventListener("storage", ({ key, newValue }) => {
  if (key === KEPT && !newValue && token) forget();
  else if (key === KEPT && newValue && !token) renew();
});

function take({ access_token, refresh_token, expires_in, role }) {
  localStorage.setItem(KEPT, refresh_token);
  token = access_token;
  clearTimeout(timer);
  timer = setTimeout(renew, Math.max(expires_in * 1000 - AHEAD_MS, expires_in * 500));
  tell({ role, username: claims(token).name });
}

function forget() {
  clearTimeout(timer);
  localStorage.removeItem(KEPT);
  token = null;
  tell(null);
}

function tell(next) {
  const same = next?.username === person?.username && next?.role === person?.role;
  person = next;
  if (!same) for (const listener of listeners) listener(person);
}

/** What the token says of its owner, only to show it: the server alone believes tokens. */
function claims(jwt) {
  const part = atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(part, (c) => c.charCodeAt(0))));
}

async function post(what, body) {
  const response = await send(`/v1/auth/${what}`, { method: "POST", body });
  return response.status === 204 ? null : response.json();
}
