/** Questions to the API: JSON in and out, problems as errors, and a token where there is one. */

import { bearer, renew } from "./session.js";

/** What the server said went wrong (RFC 9457), or that it cannot be reached (status 0). */
export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail || title);
    this.status = status;
    this.title = title;
  }
}

export const query = (fields) => {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

/** One request; a token that has run out is renewed once. */
export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const response = await send(path, { method, body, headers, signal });
  if (response.status === 401 && bearer() && (await renew())) return check(await send(path, { method, body, headers, signal }));
  return check(response);
}

export const get = async (path, options) => (await ask(path, options)).json();

async function send(path, { method, body, headers, signal }) {
  const token = bearer();
  try {
    return await fetch(path, {
      method,
      signal,
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "No connection", "The server cannot be reached.");
  }
}

async function check(response) {
  if (response.ok) return response;
  const problem = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
  throw new Problem(response.status, problem.title ?? response.statusText, problem.detail);
}

/** Saves what a question answers as a file. */
export async function download(path, name) {
  const href = URL.createObjectURL(await (await ask(path)).blob());
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}
