/** Numbers that count up to their new value: a few steps each, all in one frame callback. */

import { write } from "./dom.js";
import { number } from "./format.js";

const STEPS = 8;
const STEP_MS = 60;
const running = new Map();
let timer;

export function count(element, from, to) {
  running.set(element, { from: running.get(element)?.at ?? from, to, step: 0 });
  timer ??= setInterval(() => requestAnimationFrame(tick), STEP_MS);
}

function tick() {
  for (const [element, run] of running) {
    run.step += 1;
    const left = (1 - run.step / STEPS) ** 2;
    run.at = Math.round(run.to - (run.to - run.from) * left);
    write(element, number(run.at));
    if (run.step >= STEPS || !element.isConnected) running.delete(element);
  }
  if (!running.size) timer = clearInterval(timer);
}
