/**
 * A grid of images: a listbox of many columns with one tab stop (ARIA practices, "Listbox").
 * Arrows move, Space selects, Enter opens, F keeps, Escape clears, Ctrl+A selects all.
 */

import { el, icon } from "./dom.js";
import { describe, nameOf } from "./items.js";

const PIXEL_ART = 64; // native widths up to this are enlarged by whole factors

export class Gallery {
  /** `on`: { open(item), select(items), keep(item), kept(item) } */
  constructor(list, name, on) {
    this.list = list;
    this.on = on;
    this.items = [];
    this.selected = [];
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-multiselectable", "true");
    list.setAttribute("aria-label", name);
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("dblclick", (event) => this.#open(this.#at(event.target)));
  }

  /** Room for `count` images of `width` × `height`; what is shown stays until it is replaced. */
  begin(count, width, height) {
    const cell = Math.max(132, Math.min(220, width));
    this.list.style.setProperty("--cell", `${cell}px`);
    this.shape(width, height);
    this.items.length = Math.min(this.items.length, count);
    while (this.list.children.length > count) this.list.lastElementChild.remove();
    for (const tile of this.list.children) tile.classList.add("stale");
    while (this.list.children.length < count) this.list.append(this.#waiting());
    this.list.setAttribute("aria-busy", "true");
    this.select([]);
  }

  shape(width, height) {
    const small = width <= PIXEL_ART;
    const step = small ? width / devicePixelRatio : 1;
    this.list.style.setProperty("--ratio", `${width / height}`);
    this.list.style.setProperty("--native", `${step}px`);
    this.list.classList.toggle("smooth", !small);
  }

  /** `item` has a picture, or `missing` says why not. */
  fill(at, item) {
    const old = this.list.children[at];
    if (!old) return;
    if (this.items[at]?.url) URL.revokeObjectURL(this.items[at].url);
    this.items[at] = item;
    const tile = this.#tile(item);
    const focused = old === document.activeElement;
    tile.tabIndex = old.tabIndex === 0 || !this.#tabStop() ? 0 : -1;
    old.replaceWith(tile);
    if (focused) tile.focus({ preventScroll: true });
  }

  /** Nothing more comes: tiles that were not filled go. After a failure the old ones stay. */
  end(failed = false) {
    this.list.removeAttribute("aria-busy");
    const left = failed ? ".waiting" : ".waiting, .stale";
    for (const tile of [...this.list.querySelectorAll(left)]) tile.remove();
    for (const tile of this.list.children) tile.classList.remove("stale");
    this.items = this.items.slice(0, this.list.children.length);
    const first = this.list.querySelector("[role='option']");
    if (first && !this.#tabStop()) first.tabIndex = 0;
  }

  select(items) {
    this.selected = items;
    for (const [at, tile] of [...this.list.children].entries()) {
      if (tile.getAttribute("role") !== "option") continue;
      const place = items.indexOf(this.items[at]);
      tile.setAttribute("aria-selected", String(place >= 0));
      tile.querySelector(".mark-order").hidden = place < 0;
      tile.querySelector(".mark-order").textContent = mark(place, items.length);
    }
    this.on.select(items);
  }

  /** Hearts as they are now. */
  hearts() {
    for (const [at, tile] of [...this.list.children].entries()) {
      if (tile.getAttribute("role") === "option") this.#heart(tile, this.items[at]);
    }
  }

  /** The next one in a direction that can be looked at. */
  step(item, by) {
    let at = this.items.indexOf(item) + by;
    while (this.items[at]?.missing) at += by;
    return this.items[at];
  }

  focus(item) {
    const tile = this.list.children[this.items.indexOf(item)] ?? this.list.children[0];
    if (tile) this.#move(tile);
  }

  #waiting() {
    const tile = el("li", { className: "waiting" }, el("span", { className: "shot" }), el("p"));
    tile.setAttribute("role", "presentation");
    return tile;
  }

  #tile(item) {
    const picture = item.missing
      ? el("span", { textContent: item.missing })
      : el("img", { src: item.url, alt: "", decoding: "async", draggable: false });
    const caption = el(
      "p",
      { data: { "aria-hidden": "true" } },
      el("b", { textContent: nameOf(item) }),
      el("span", { textContent: item.index }),
      el("em", { textContent: "AI", title: "AI-generated" }),
    );
    const tools = el("span", { className: "tools", data: { "aria-hidden": "true" } });
    if (!item.missing) tools.append(tool("Enlarge", "expand", "expand"));
    tools.append(tool("Keep", "keep", "heart"));
    const order = el("span", { className: "mark-order", hidden: true });
    order.setAttribute("aria-hidden", "true");
    const shot = el("span", { className: "shot" }, picture);
    const tile = el("li", { className: item.missing ? "gone" : "" }, shot, caption, tools, order);
    tile.setAttribute("role", "option");
    tile.setAttribute("aria-selected", "false");
    this.#heart(tile, item);
    return tile;
  }

  #heart(tile, item) {
    const kept = this.on.kept(item);
    tile.classList.toggle("is-kept", kept);
    const told = describe(item) + (kept ? ", kept" : "");
    if (item.missing) tile.setAttribute("aria-label", told);
    else tile.querySelector("img").alt = told;
  }

  #at(target) {
    return [...this.list.children].indexOf(target.closest("li"));
  }

  #open(at) {
    if (this.items[at]) this.on.open(this.items[at]);
  }

  #toggle(item) {
    const without = this.selected.filter((other) => other !== item);
    this.select(without.length < this.selected.length ? without : [...this.selected, item]);
  }

  #click(event) {
    const at = this.#at(event.target);
    const item = this.items[at];
    if (!item || event.detail > 1) return;
    this.#move(this.list.children[at]);
    const tool = event.target.closest("[data-tool]")?.dataset.tool;
    if (tool === "keep") this.on.keep(item);
    else if (tool === "expand") this.on.open(item);
    else this.#toggle(item);
  }

  #key(event) {
    const at = this.#at(event.target);
    const item = this.items[at];
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key === "a") this.select(this.items.filter(Boolean));
    else if (command || event.altKey) return;
    else if (event.key === " ") this.#toggle(item);
    else if (event.key === "Enter") this.#open(at);
    else if (event.key === "f" || event.key === "F") this.on.keep(item);
    else if (event.key === "Escape") this.select([]);
    else if (!this.#arrow(event.key, at)) return;
    event.preventDefault();
  }

  #arrow(key, at) {
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const last = this.list.children.length - 1;
    const ways = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - columns,
      ArrowDown: at + columns,
      Home: 0,
      End: last,
    };
    if (!(key in ways)) return false;
    const tile = this.list.children[ways[key]];
    if (tile?.getAttribute("role") === "option") this.#move(tile);
    return true;
  }

  #tabStop() {
    return this.list.querySelector("[tabindex='0']");
  }

  #move(tile) {
    const before = this.#tabStop();
    if (before) before.tabIndex = -1;
    tile.tabIndex = 0;
    tile.focus();
  }
}

function tool(title, name, picture) {
  return el("span", { title, data: { "data-tool": name } }, icon(picture));
}

/** Two selected images are the ends of a walk. */
function mark(place, count) {
  if (place < 0) return "";
  return count === 2 ? "AB"[place] : String(place + 1);
}
