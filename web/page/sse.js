/**
 * Server-sent events over fetch: unlike EventSource it can send a token in a header, hear a problem, and
 * notice a silent line. Resumes by itself with the last event's id.
 */

import { ask } from "./api.js";

/** The server sends a heartbeat well within this; silence longer than this is a lost line. */
const SILENCE_MS = 25_000;
/** A page nobody looks at lets go of its line after this. */
const HIDDEN_MS = 60_000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000];

/** Opens a stream until `stop()`; `onEvent(name, data)`, `onLine("open" | "lost", {problem, retryAt})`. */
export function stream(path, { onEvent, onLine }) {
  let stopped = false;
  let lastId;
  let failures = 0;
  let line = new AbortController();
  let wake = () => {};
  let hidden;

  async function run() {
    while (!stopped) {
      line = new AbortController();
      let problem = null;
      try {
        await read();
      } catch (error) {
        problem = error;
      }
      if (stopped) return;
      if (document.hidden && !problem?.status) await new Promise((resolve) => (wake = resolve));
      else await pause(problem);
    }
  }

  async function read() {
    const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
    let watchdog = setTimeout(() => line.abort(), SILENCE_MS);
    try {
      const response = await ask(path, { headers, signal: line.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = parser((name, data, id) => {
        if (id !== undefined) lastId = id;
        if (failures || name) failures = 0;
        onLine("open", {});
        if (data) onEvent(name || "message", JSON.parse(data));
      });
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => line.abort(), SILENCE_MS);
        parse(value);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  async function pause(problem) {
    const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
    onLine("lost", { problem, retryAt: Date.now() + wait });
    await new Promise((resolve) => {
      const alarm = setTimeout(resolve, wait);
      wake = () => (clearTimeout(alarm), resolve());
    });
  }

  function onVisibility() {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => line.abort(), HIDDEN_MS);
    else wake();
  }
  const onOnline = () => wake();
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("online", onOnline);
  run();

  return {
    retry: () => wake(),
    stop() {
      stopped = true;
      line.abort();
      wake();
      clearTimeout(hidden);
      document.removeEventListener("visibilitychange", onVisibility);
      removeEventListener("online", onOnline);
    },
  };
}

/** Bytes come as they like; events end with an empty line, and a comment is a heartbeat. */
function parser(emit) {
  let rest = "";
  return (text) => {
    const blocks = (rest + text).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name, id;
      const data = [];
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") name = value;
        else if (field === "data") data.push(value);
        else if (field === "id") id = value;
      }
      emit(name, data.join("\n"), id);
    }
  };
}
