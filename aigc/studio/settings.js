/** What to make: the form on the left, and the same in the page's address, to send or bookmark. */

import { $, el, facts, later, reach } from "./dom.js";

const NO_TRUNCATION = "3"; // the slider's far end
const MANY_LABELS = 16;
const SIZES = [1, 2, 4, 8];
const MOST = 64;

export class Settings {
  /** `changed()` is called when other images are wanted. */
  constructor(changed) {
    this.models = [];
    const query = new URLSearchParams(location.hash.slice(1));
    this.wanted = query.get("model");
    this.labels = new Set(query.getAll("label"));
    this.untrained = [];
    this.seed = whole(query.get("seed")) ?? randomSeed();
    this.index = whole(query.get("index")) ?? 0;
    this.many = query.get("n") ?? "24";
    $("count").value = this.many;
    $("truncation").value = query.get("truncation") ?? NO_TRUNCATION;
    $("seed").value = this.seed;
    this.changed = changed;
    this.#listen(later(180, () => this.#apply()));
    this.#outputs();
  }

  get count() {
    return Number($("count").value);
  }

  get truncation() {
    return $("truncation").value === NO_TRUNCATION ? null : Number($("truncation").value);
  }

  get format() {
    return $("format").value;
  }

  get size() {
    return $("size").value || "auto";
  }

  /** [width, height] of the images asked for. */
  get shape() {
    const asked = this.size.match(/^(\d+)x(\d+)$/);
    return asked ? [Number(asked[1]), Number(asked[2])] : [this.model.width, this.model.height];
  }

  /** The body of POST /v1/images/generations for what is on screen. It names the version, for a
   * name alone may stand for another one tomorrow. */
  get request() {
    const request = { model: this.model.version, n: this.count, seed: this.seed, index: this.index };
    if (this.labels.size) request.labels = [...this.labels];
    if (this.truncation) request.truncation = this.truncation;
    if (this.size !== "auto") request.size = this.size;
    if (this.format !== "png") request.output_format = this.format;
    return request;
  }

  offer(models) {
    this.models = models;
    const options = models.map(({ id }) => el("option", { value: id, textContent: id }));
    $("model").replaceChildren(...options);
    const known = models.find(({ id }) => id === this.wanted) ?? models[0];
    if (known) this.#use(known);
  }

  surprise() {
    this.seed = randomSeed();
    $("seed").value = this.seed;
    this.#restart();
  }

  turn(pages) {
    this.index = Math.max(0, this.index + pages * this.count);
    this.#apply();
  }

  #listen(soon) {
    $("controls").addEventListener("submit", (event) => event.preventDefault());
    $("model").addEventListener("change", () => {
      this.#use(this.models.find(({ id }) => id === $("model").value));
      this.#restart();
    });
    $("count").addEventListener("input", () => (this.many = $("count").value));
    for (const id of ["count", "truncation"]) {
      $(id).addEventListener("input", () => {
        this.#outputs();
        soon();
      });
    }
    $("size").addEventListener("change", () => this.#limit());
    for (const id of ["format", "size"]) $(id).addEventListener("change", soon);
    $("seed").addEventListener("input", () => this.#seed(soon));
    $("surprise").addEventListener("click", () => this.surprise());
    $("label-filter").addEventListener("input", () => this.#filter());
    $("labels").addEventListener("change", (event) => {
      if (event.target.checked) this.labels.add(event.target.value);
      else this.labels.delete(event.target.value);
      this.#labelsHint();
      soon();
    });
  }

  #restart() {
    this.index = 0;
    this.#apply();
  }

  #apply() {
    if (!this.model) return;
    const query = new URLSearchParams({ model: this.model.id, seed: this.seed, n: this.count });
    if (this.index) query.set("index", this.index);
    if (this.truncation) query.set("truncation", this.truncation);
    for (const label of this.labels) query.append("label", label);
    history.replaceState(null, "", `#${query}`);
    this.changed();
  }

  #seed(soon) {
    const seed = whole($("seed").value.trim());
    $("seed").setAttribute("aria-invalid", String(seed === null));
    $("seed-hint").textContent =
      seed === null
        ? "A seed is a whole number from 0 to 9007199254740991."
        : "The same seed always gives the same images.";
    if (seed === null) return;
    this.seed = seed;
    this.index = 0;
    soon();
  }

  #use(model) {
    this.model = model;
    this.wanted = model.id;
    $("model").value = model.id;
    const colour = model.channels === 1 ? "grey" : "colour";
    const kind = (model.family ?? "model").toUpperCase();
    $("model-facts").textContent = `${kind}, ${model.width} × ${model.height} ${colour}`;
    this.#offerLabels(model.labels ?? [], model.untrained ?? []);
    const sizes = SIZES.map((by) => [by * model.width, by * model.height]);
    const most = model.limits.max_side;
    const offered = sizes.filter(([width, height]) => Math.max(width, height) <= most);
    $("size").replaceChildren(
      ...offered.map(([width, height], at) =>
        el("option", {
          value: at ? `${width}x${height}` : "auto",
          textContent: `${width} × ${height}`,
        }),
      ),
    );
    this.#limit();
    facts($("card"), [...card(model)]);
  }

  /** As many images as the endpoint makes of this size at once; more come back with a smaller. */
  #limit() {
    const { limits } = this.model;
    reach($("count"), Math.min(MOST, limits.max_n, fitting(limits, ...this.shape)), this.many);
    this.#outputs();
  }

  /** Labels without training pictures are marked; they are made only when they are chosen. */
  #offerLabels(labels, untrained) {
    this.untrained = untrained;
    this.labels = new Set([...this.labels].filter((label) => labels.includes(label)));
    $("labels-field").hidden = labels.length === 0;
    $("label-filter").hidden = $("label-filter-name").hidden = labels.length <= MANY_LABELS;
    $("label-filter").value = "";
    $("labels").replaceChildren(
      ...labels.map((label) => {
        const box = el("input", { type: "checkbox", value: label });
        box.checked = this.labels.has(label);
        if (!untrained.includes(label)) return el("label", {}, box, label);
        const mark = el("small", { textContent: "no training images" });
        return el("label", { className: "untrained" }, box, `${label} `, mark);
      }),
    );
    this.#labelsHint();
  }

  #labelsHint() {
    const all = this.untrained.length ? "all with training images" : "all labels";
    $("labels-hint").textContent = this.labels.size ? "" : `None selected: ${all}, in turn.`;
  }

  #filter() {
    const text = $("label-filter").value.trim().toLowerCase();
    for (const label of $("labels").children) {
      label.hidden = !label.textContent.toLowerCase().includes(text);
    }
  }

  #outputs() {
    const cut = this.truncation === null ? "off" : `± ${this.truncation.toFixed(1)}`;
    $("count-value").textContent = this.count;
    $("truncation-value").textContent = cut;
    $("truncation").setAttribute("aria-valuetext", cut);
  }
}

/** How many of a size one request may ask for, whatever `max_n` says. */
export const fitting = ({ max_pixels }, width, height) =>
  Math.max(1, Math.floor(max_pixels / (width * height)));

/** The page's address that shows `index` of a seed first; null where the form cannot say it. */
export function fragment({ model, seed, index, truncation, labels }) {
  const exact = Number.isSafeInteger(seed) && Number.isSafeInteger(index);
  const step = truncation === null || [...Array(28).keys()].some((at) => (at + 2) / 10 === truncation);
  if (!exact || !step) return null;
  const query = new URLSearchParams({ model, seed, n: 24, index });
  if (truncation) query.set("truncation", truncation);
  for (const label of labels) query.append("label", label);
  return `#${query}`;
}

/** Rows of the model card: identity, then the figures it was measured at. */
function* card(model) {
  yield ["Version", model.version];
  yield ["Aliases", [model.aliases].flat().filter(Boolean).join(", ")];
  yield ["Digest", model.digest?.slice(0, 12)];
  if (model.unhealthy) yield ["Not used", `${model.unhealthy.version}: ${model.unhealthy.reason}`];
  for (const [name, figure] of Object.entries(model.figures ?? {})) {
    const value = typeof figure === "number" ? figure : figure?.value;
    if (typeof value === "number") yield [name.toUpperCase(), Number(value.toPrecision(4))];
  }
}

function whole(text) {
  const value = /^\d{1,16}$/.test(text ?? "") ? Number(text) : null;
  return Number.isSafeInteger(value) ? value : null;
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
