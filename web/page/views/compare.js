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
    // Without a second region: the first other one there is.
    const other = charts().then(({ regions }) => regions.find((code) => code !== now.region), () => null);
    other.then((code) => frame.signal.aborted || go(link({ with: code ?? "global" }, now), "replace"));
    return;
  }
  const threads = s("svg.threads", { "aria-hidden": "true", preserveAspectRatio: "none" });
  const paths = new Map();
  const places = [new Map(), new Map()];
  const place = h("div.pair");
  frame.place.append(place);
  const title = () => frame.title(`${nameOf(now.region)} and ${nameOf(now.with)}`);
  const panes = [now.region, now.with].map((region, side) => {
    const rows = new Rows(nameOf(region));
    for (const event of ["pointerover", "focusin"]) rows.element.addEventListener(event, ({ target }) => mark(target.closest("[data-track]")?.dataset.track));
    rows.element.addEventListener("pointerleave", () => mark());
    charted({ ...now, region }, { ...frame, place, title }, side ? rows.element : h("div.left", rows.element, threads), (chart, { glide }) => {
      rows.show(chart, glide);
      places[side] = new Map(chart.entries.map((entry, at) => [entry.track_id, at + 0.5]));
      draw();
    });
    return rows;
  });

  function draw() {
    const most = Math.max(places[0].size, places[1].size);
    threads.setAttribute("viewBox", `0 0 ${WIDTH} ${most}`);
    threads.style.height = `calc(${most} * var(--row))`;
    for (const [id, path] of paths) if (!places[0].has(id) || !places[1].has(id)) (path.remove(), paths.delete(id));
    for (const [id, left] of places[0]) {
      const right = places[1].get(id);
      if (right === undefined) continue;
      if (!paths.has(id)) paths.set(id, threads.appendChild(s("path")));
      const d = `M0 ${left}C${WIDTH / 2} ${left} ${WIDTH / 2} ${right} ${WIDTH} ${right}`;
      if (paths.get(id).getAttribute("d") !== d) paths.get(id).setAttribute("d", d);
    }
  }

  function mark(marked) {
    for (const rows of panes) rows.mark(marked);
    for (const [id, path] of paths) path.classList.toggle("marked", id === marked);
  }
}
