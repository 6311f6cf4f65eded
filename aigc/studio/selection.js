/** The bar below selected images: what may be done with them. */

import { $ } from "./dom.js";

/** Shows it for `items`, while `model` is chosen; returns why no walk leads from one of the two to
 * the other, if they are two that a walk could have. */
export function offer(items, model) {
  const there = items.filter((item) => !item.missing);
  const pair = items.length === 2 && there.every((item) => !item.source) ? there : [];
  const can = {
    open: items.length === 1 && there.length === 1,
    walk: pair.length === 2,
    vary: items.length === 1 && there.length === 1 && Boolean(model?.can?.includes("vary")),
    download: there.length > 0,
  };
  for (const button of $("selection").querySelectorAll("[data-act]")) {
    button.hidden = can[button.dataset.act] === false;
  }
  const why = can.walk ? unlike(...pair) : "";
  const walk = $("selection").querySelector("[data-act='walk']");
  walk.disabled = Boolean(why);
  walk.title = why;
  $("selection-count").textContent = `${items.length} selected`;
  $("selection").hidden = items.length === 0;
  return why;
}

function unlike(a, b) {
  if (a.model !== b.model) {
    return `Cannot walk between these images: their models differ, ${a.model} and ${b.model}.`;
  }
  const cuts = [a, b].map(({ truncation }) => truncation ?? "off");
  if (cuts[0] === cuts[1]) return "";
  return `Cannot walk between these images: their truncations differ, ${cuts[0]} and ${cuts[1]}.`;
}
