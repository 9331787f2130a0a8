/** Questions to the API: JSON in and out, problems as errors, and a token where there is one. */

import { bearer, renew } from "./session.js";

/** A browser puts every refusal on the console, the expected too: ours come as a 200 whose body is a problem. */
const SOFT = { Prefer: "status=200" };
const PROBLEM = "application/problem+json";

/** What the server said went wrong (RFC 9457), or that it cannot be reached (status 0). */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const query = (fields) => {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

/** One request; a token that has run out is renewed once. */
export async function ask(path, options) {
  const token = bearer();
  try {
    return await send(path, options, token);
  } catch (problem) {
    if (problem.status !== 401 || !token || !(await renew())) throw problem;
    return send(path, options, bearer());
  }
}

export const get = async (path, options) => (await ask(path, options)).json();

export async function send(path, { method = "GET", body, headers, signal } = {}, token = null) {
  const response = await fetch(path, {
    method,
    signal,
    headers: { ...SOFT, ...(token && { Authorization: `Bearer ${token}` }), ...(body && { "Content-Type": "application/json" }), ...headers },
    body: body && JSON.stringify(body),
  }).catch((error) => {
    throw error.name === "AbortError" ? error : new Problem(0, "The server cannot be reached.");
  });
  const refused = response.headers.get("Content-Type")?.startsWith(PROBLEM);
  if (response.ok && !refused) return response;
  const { status, title, detail } = refused ? await response.json() : response;
  throw new Problem(status, detail ?? title ?? `The server answers ${status}.`);
}

/** Saves what a question answers as a file. */
export async function download(path, name) {
  const href = URL.createObjectURL(await (await ask(path)).blob());
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}
