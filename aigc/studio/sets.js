/** Content sets: how far each is, followed while it is made, and its items page by page. */

import { blobOf, json, picture } from "./api.js";
import { $, duration, el, facts } from "./dom.js";
import { fragment } from "./settings.js";
import { seedOf, withPicture } from "./items.js";

const EVERY_MS = 3000;
const A_PAGE = 48;
const STATES = { complete: "Complete", running: "Running", unfinished: "Unfinished", unreadable: "Unreadable" };

export class Sets {
  /** `guard(work)` runs `work(signal, report)`; `models()` are those on offer. */
  constructor(gallery, models, guard) {
    this.gallery = gallery;
    this.models = models;
    this.guard = guard;
    this.starts = [0];
    $("set-list").addEventListener("click", (event) => this.#pick(event));
    $("set-back").addEventListener("click", () => this.close());
    $("set-label").addEventListener("change", () => this.#page([0]));
    $("set-previous").addEventListener("click", () => this.#page(this.starts.slice(0, -1)));
    $("set-next").addEventListener("click", () => this.#page([...this.starts, this.following]));
    $("set-report").addEventListener("toggle", () => this.#report());
  }

  /** Look, and go on looking while the view is shown. */
  async show() {
    this.hide();
    const mine = (this.looking = new AbortController());
    await this.guard(async (signal, report) => {
      await this.#look(signal);
      this.#sum(report);
      this.#follow(mine.signal, report);
    });
  }

  hide() {
    this.looking?.abort();
  }

  #follow(signal, report) {
    setTimeout(async () => {
      if (signal.aborted) return;
      try {
        if (!document.hidden) await this.#look(signal);
        if (!this.open) this.#sum(report);
      } catch (error) {
        if (!signal.aborted) report.say(error.message);
      }
      this.#follow(signal, report);
    }, EVERY_MS);
  }

  close() {
    const id = this.open;
    this.open = null;
    this.#arrange();
    [...$("set-list").querySelectorAll("button")].find((one) => one.dataset.id === id)?.focus();
  }

  async #look(signal) {
    this.sets = (await json("v1/sets", signal)).data;
    this.#list();
    this.#arrange();
  }

  #sum(report) {
    const running = this.sets.filter((set) => set.state === "running").length;
    const many = this.sets.length === 1 ? "1 set" : `${this.sets.length} sets`;
    report.say(this.sets.length ? `${many}, ${running || "none"} running.` : "");
  }

  #arrange() {
    const set = this.sets?.find(({ id }) => id === this.open);
    $("set-empty").hidden = this.sets?.length !== 0;
    $("set-list").hidden = Boolean(set);
    $("set-one").hidden = !set;
    if (!set) return;
    $("set-name").textContent = nameOf(set);
    told($("set-told"), set);
    facts($("set-facts"), [...rows(set)]);
    $("set-report").hidden = set.state !== "complete";
  }

  /** Cards are kept and updated, so that what has the focus keeps it. */
  #list() {
    const cards = new Map([...$("set-list").children].map((card) => [card.dataset.id, card]));
    for (const [id, card] of cards) if (!this.sets.some((set) => set.id === id)) card.remove();
    for (const set of this.sets) {
      const card = cards.get(set.id) ?? this.#card(set);
      told(card.querySelector(".set-told"), set);
      card.querySelector("button").disabled = !set.items;
      if (!card.isConnected) $("set-list").append(card);
    }
  }

  #card(set) {
    const name = nameOf(set);
    const open = el("button", { type: "button", textContent: "Open", data: { "data-id": set.id } });
    open.setAttribute("aria-label", `Open ${name}`);
    const head = el("div", { className: "set-head" }, el("h2", { textContent: name }), open);
    return el("li", { data: { "data-id": set.id } }, head, el("div", { className: "set-told" }));
  }

  #pick(event) {
    const id = event.target.closest("button")?.dataset.id;
    const set = this.sets.find((one) => one.id === id);
    if (!set) return;
    this.open = id;
    this.#arrange();
    const labels = Object.keys(set.labels);
    $("set-labels").hidden = labels.length < 2;
    const options = labels.map((label) => el("option", { value: label, textContent: label }));
    $("set-label").replaceChildren(el("option", { value: "", textContent: "All labels" }), ...options);
    $("set-report").open = false;
    $("set-picture").hidden = true;
    $("set-name").focus();
    this.#page([0]);
  }

  /** The page that begins at the last of `starts`; the others lead back. */
  #page(starts) {
    const set = this.sets.find(({ id }) => id === this.open);
    const query = new URLSearchParams({ start: starts.at(-1), count: A_PAGE, pictures: true });
    if ($("set-label").value) query.set("label", $("set-label").value);
    return this.guard(async (signal, report) => {
      const { data, next } = await json(`v1/sets/${set.id}/items?${query}`, signal);
      const items = data.map((row) => this.#item(set, row));
      const shape = [set.width ?? 64, set.height ?? 64];
      this.gallery.begin(items.length, ...shape);
      for (const [at, item] of items.entries()) this.gallery.fill(at, item);
      this.gallery.end();
      this.starts = starts;
      this.following = next;
      $("set-previous").disabled = starts.length < 2;
      $("set-next").disabled = next === null;
      $("set-range").textContent = data.length ? `${data[0].index} to ${data.at(-1).index}` : "No items yet";
      report.say(`${items.length} items of ${nameOf(set)}.`);
    });
  }

  #item(set, { b64_json: file, output_format: format, ...row }) {
    const { id, label, index, candidate, truncation } = row;
    const item = { model: set.model, label, seed: seedOf(row), index, truncation, format, candidate, id };
    const made = { ...item, source: nameOf(set), kind: "set", studio: this.#studio(set, row) };
    return withPicture(made, blobOf(file, format));
  }

  /** The studio's address that begins with the same item, where its model is on offer. */
  #studio(set, { label, seed, candidate, truncation }) {
    const model = this.models().find(({ version, digest }) => version === set.model && digest === set.model_digest);
    return model && fragment({ model: model.id, seed, index: candidate, truncation, labels: label ? [label] : [] });
  }

  async #report() {
    if (!$("set-report").open || !this.open) return;
    const blob = await picture(`v1/sets/${this.open}/files/report.png`).catch(() => null);
    if ($("set-picture").src) URL.revokeObjectURL($("set-picture").src);
    $("set-picture").hidden = !blob;
    if (blob) $("set-picture").src = URL.createObjectURL(blob);
  }
}

export const nameOf = ({ id }) => id.replace(/-[0-9a-f]{8}$/, "");

const whole = new Intl.NumberFormat("en");

/** A line and a bar: "Running · 12,000 of 100,000 · 3,400 a second · 26 s left". */
function told(place, set) {
  if (set.state === "unreadable") {
    place.replaceChildren(el("p", { className: "hint", textContent: `Unreadable: ${set.reason}` }));
    return;
  }
  const refused = Object.values(set.refused).reduce((sum, count) => sum + count, 0);
  const parts = [
    STATES[set.state],
    set.items === set.count ? whole.format(set.count) : `${whole.format(set.items)} of ${whole.format(set.count)}`,
    set.state === "running" && set.items_per_s ? `${whole.format(Math.round(set.items_per_s))} a second` : "",
    set.left_s ? `${duration(set.left_s)} left` : "",
    set.state === "unfinished" && set.last_commit_age_s ? `last commit ${duration(set.last_commit_age_s)} ago` : "",
    refused ? `${whole.format(refused)} refused` : "",
  ];
  const bar = place.querySelector("progress") ?? el("progress", { max: 1 });
  bar.value = set.items / set.count;
  bar.setAttribute("aria-label", `${nameOf(set)} made`);
  const line = el("p", { className: "hint", textContent: parts.filter(Boolean).join(" · ") });
  const model = el("p", { className: "hint", textContent: set.model });
  place.replaceChildren(model, line, ...(set.state === "complete" ? [] : [bar]));
}

function* rows(set) {
  yield ["Seed", seedOf(set) ?? "set by each brief"];
  if (set.width) yield ["Images", `${set.width} × ${set.height}, ${set.codec}`];
  yield ["Files", `${whole.format(set.shards)}, ${(set.size_bytes / 1e6).toFixed(1)} MB`];
  const refused = Object.entries(set.refused).map(([reason, count]) => `${reason} ${whole.format(count)}`);
  yield ["Refused", refused.join(", ")];
}
