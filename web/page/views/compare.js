/** Two regions side by side, and threads between the tracks both have. */

import { charted } from "../charted.js";
import { h, s } from "../dom.js";
import { region as nameOf } from "../format.js";
import { Rows } from "../rows.js";
import { go, link } from "../state.js";
import { charts } from "../toolbar.js";

const WIDTH = 100;

export function compare(now, frame) {
  if (!now.with) {
    choose(now);
    return { stop() {} };
  }
  const threads = s("svg", { class: "threads", "aria-hidden": "true", preserveAspectRatio: "none" });
  const paths = new Map();
  const places = [new Map(), new Map()];
  const place = h("div", { class: "pair" });
  frame.place.append(place);
  const panes = [now.region, now.with].map((region, side) => {
    const rows = new Rows(nameOf(region));
    const element = side ? rows.element : h("div", { class: "left" }, rows.element, threads);
    rows.element.addEventListener("pointerover", ({ target }) => mark(target.closest("[data-track]")?.dataset.track));
    rows.element.addEventListener("focusin", ({ target }) => mark(target.closest("[data-track]")?.dataset.track));
    rows.element.addEventListener("pointerleave", () => mark());
    const pane = charted({ ...now, region }, { ...frame, place, title: () => frame.title(`${nameOf(now.region)} and ${nameOf(now.with)}`) }, element, (chart, { glide }) => {
      rows.show(chart, glide);
      places[side] = new Map(chart.entries.map((entry, at) => [entry.track_id, at]));
      draw();
    });
    return { rows, stop: pane.stop };
  });

  function draw() {
    const most = Math.max(places[0].size, places[1].size, 1);
    threads.setAttribute("viewBox", `0 0 ${WIDTH} ${most}`);
    threads.style.height = `calc(${most} * var(--row))`;
    for (const [id, path] of paths) if (!places[0].has(id) || !places[1].has(id)) (path.remove(), paths.delete(id));
    for (const [id, left] of places[0]) {
      const right = places[1].get(id);
      if (right === undefined) continue;
      if (!paths.has(id)) paths.set(id, threads.appendChild(s("path", {})));
      const d = `M0 ${left + 0.5}C${WIDTH / 2} ${left + 0.5} ${WIDTH / 2} ${right + 0.5} ${WIDTH} ${right + 0.5}`;
      if (paths.get(id).getAttribute("d") !== d) paths.get(id).setAttribute("d", d);
    }
  }

  function mark(marked) {
    for (const { rows } of panes) rows.mark(marked);
    for (const [id, path] of paths) path.classList.toggle("marked", id === marked);
  }
  return { stop: () => panes.forEach((pane) => pane.stop()) };
}

/** Without a second region: the first other one there is. */
async function choose(now) {
  const { regions } = await charts();
  const other = regions.find((code) => code !== now.region) ?? "global";
  go(link({ with: other }, now), { replace: true });
}
