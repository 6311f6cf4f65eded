/** Sounds of one seed with a player and the wave of each, by their permanent addresses. */

import { picture } from "./api.js";
import { $, el } from "./dom.js";

const WAVE = { width: 220, height: 56 };
const INK = "#1f4e79";
const NOTHING = "_";

export class Sounds {
  #guard;
  #urls = [];
  #made = false;

  /** `guard(work)` runs `work(signal, report)` and shows what goes wrong. */
  constructor(guard) {
    this.#guard = guard;
    this.models = [];
    for (const id of ["sound-model", "sound-label", "sound-seed", "sound-count"]) {
      $(id).addEventListener("change", () => this.#changed(id));
    }
  }

  /** `models` are those that make sounds; without any there is no such view. */
  offer(models) {
    this.models = models;
    $("tab-sounds").hidden = !models.length;
    const options = models.map(({ id }) => el("option", { value: id, textContent: id }));
    $("sound-model").replaceChildren(...options);
    this.#offerLabels();
  }

  get model() {
    return this.models.find(({ id }) => id === $("sound-model").value);
  }

  /** Made when the view is first looked at. */
  show() {
    if (!this.#made && this.model) this.make();
  }

  make() {
    this.#made = true;
    return this.#guard((signal, report) => this.#fill(signal, report));
  }

  #changed(id) {
    if (id === "sound-model") this.#offerLabels();
    this.make();
  }

  #offerLabels() {
    const labels = this.model?.labels ?? [];
    const options = labels.map((label) => el("option", { value: label, textContent: label }));
    const every = el("option", { value: "", textContent: "Every label" });
    $("sound-label").replaceChildren(every, ...options);
    $("sound-label").disabled = !labels.length;
  }

  async #fill(signal, report) {
    const { model } = this;
    const seed = /^[0-9]{1,19}$/.test($("sound-seed").value) ? $("sound-seed").value : "0";
    const count = Number($("sound-count").value);
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    $("sound-list").replaceChildren();
    report.say(`Making ${count} sounds …`);
    const chosen = $("sound-label").value;
    const labels = Array.from({ length: count }, (_, at) => chosen || model.labels[at % model.labels.length]);
    const asked = labels.map((label, index) => {
      const wish = encodeURIComponent(label ?? NOTHING);
      const path = `v1/items/${model.version}/${wish}/${seed}/${index}${model.suffixes[0]}`;
      return { label: label ?? "", path, blob: picture(path, signal) };
    });
    for (const { blob } of asked) blob.catch(() => {}); // the first that fails is shown, below
    for (const [index, { label, path, blob }] of asked.entries()) {
      const row = await this.#row(await blob, label, index, path);
      signal.throwIfAborted();
      $("sound-list").append(row);
      report.progress((index + 1) / count);
    }
    report.say(`${count} sounds of seed ${seed}.`);
  }

  async #row(blob, label, index, path) {
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    const name = `${label} ${index}`.trim();
    const player = el("audio", { controls: true, src: url, data: { "aria-label": name } });
    const file = el("a", { href: url, download: path.split("/").slice(-3).join("-"), textContent: name });
    return el("li", {}, await wave(blob, name), player, el("p", {}, file));
  }
}

/** From the lowest to the highest sample of each column. */
async function wave(blob, name) {
  const canvas = el("canvas", { ...WAVE, data: { role: "img", "aria-label": `Wave of ${name}` } });
  const context = new OfflineAudioContext(1, 1, 44_100);
  const sound = await context.decodeAudioData(await blob.arrayBuffer());
  const samples = sound.getChannelData(0);
  const [pen, middle] = [canvas.getContext("2d"), WAVE.height / 2];
  pen.fillStyle = INK;
  for (let x = 0; x < WAVE.width; x++) {
    const start = Math.floor((x * samples.length) / WAVE.width);
    const stop = Math.max(start + 1, Math.floor(((x + 1) * samples.length) / WAVE.width));
    let [low, high] = [0, 0];
    for (let at = start; at < stop; at++) {
      low = Math.min(low, samples[at]);
      high = Math.max(high, samples[at]);
    }
    pen.fillRect(x, middle - high * middle, 1, Math.max(1, (high - low) * middle));
  }
  return canvas;
}
