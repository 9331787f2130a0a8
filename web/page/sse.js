/**
 * Server-sent events over fetch: unlike EventSource it can send a token in a header, hear a problem, and
 * notice a silent line. Resumes by itself with the last event's id.
 */

import { ask } from "./api.js";

/** The server sends a heartbeat every ten seconds; silence longer than this is a lost line. */
const SILENCE_MS = 25_000;
const [RETRY_MS, RETRY_MS_MAX] = [300, 15_000];

/** Reads until the signal: `onEvent(name, data)`, `onLine("open" | "lost", {problem, retryAt})`. Returns a retry. */
export function stream(path, signal, { onEvent, onLine }) {
  let failures = 0;
  let lastId;
  let wake = () => {};

  async function run() {
    while (!signal.aborted) {
      const problem = await read().catch((error) => error);
      if (signal.aborted) return;
      const wait = Math.min(RETRY_MS * 2 ** failures++, RETRY_MS_MAX) * (0.75 + Math.random() / 2);
      // A server that ends a stream on purpose is back at once: only what fails again is a lost line.
      if (problem || failures > 1) onLine("lost", { problem, retryAt: Date.now() + wait });
      await new Promise((resolve) => setTimeout((wake = resolve), wait));
    }
  }

  async function read() {
    const line = new AbortController();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => line.abort(), SILENCE_MS);
    };
    alive();
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const { body } = await ask(path, { headers, signal: AbortSignal.any([signal, line.signal]) });
      let rest = "";
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        alive();
        // Bytes come as they like; an event ends with an empty line.
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          // A comment, such as a heartbeat, has no fields.
          const { id, event, data } = Object.fromEntries(block.split("\n").map((field) => field.split(/: ?(.*)/s)));
          lastId = id ?? lastId;
          failures = 0;
          onLine("open", {});
          if (data) onEvent(event, JSON.parse(data));
        }
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  addEventListener("online", () => wake(), { signal });
  run();
  return () => wake();
}
