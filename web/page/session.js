/**
 * Who is reading. The access token lives in memory only; the refresh token, good for one use, is kept for the
 * next visit. Tabs share it, so its use is behind a lock: used twice, it would end the log-in everywhere.
 */

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
export const onSession = (listener) => listeners.add(listener);

/** Takes up the log-in of the last visit, where there was one. */
export async function resume() {
  addEventListener("storage", ({ key, newValue }) => {
    if (key === KEPT && !newValue && token) forget();
    else if (key === KEPT && newValue && !token) renew();
  });
  return localStorage.getItem(KEPT) ? renew() : false;
}

export async function logIn(username, password) {
  await take(await post("/v1/auth/token", { username, password }));
}

export async function logOut() {
  const refresh_token = localStorage.getItem(KEPT);
  forget();
  if (refresh_token) await post("/v1/auth/logout", { refresh_token });
}

/** The next access token; false where the log-in has ended. Without a connection the log-in is kept. */
export function renew() {
  return navigator.locks.request(KEPT, async () => {
    const refresh_token = localStorage.getItem(KEPT);
    if (!refresh_token) return false;
    try {
      await take(await post("/v1/auth/refresh", { refresh_token }));
      return true;
    } catch (error) {
      if (error.status === 401) forget();
      else timer = setTimeout(renew, AHEAD_MS / 4);
      return false;
    }
  });
}

async function take(tokens) {
  localStorage.setItem(KEPT, tokens.refresh_token);
  const before = person;
  token = tokens.access_token;
  person = { role: tokens.role, username: claims(token).name };
  clearTimeout(timer);
  timer = setTimeout(renew, Math.max(tokens.expires_in * 1000 - AHEAD_MS, tokens.expires_in * 500));
  if (before?.username !== person.username || before.role !== person.role) tell();
}

function forget() {
  clearTimeout(timer);
  localStorage.removeItem(KEPT);
  token = person = null;
  tell();
}

function tell() {
  for (const listener of listeners) listener(person);
}

/** What the token says of its owner, only to show it: the server alone believes tokens. */
function claims(jwt) {
  const part = jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
}

async function post(path, body) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? response.statusText), { status: response.status });
}
