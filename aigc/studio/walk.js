/** The way between two items: frames made by the model from latents in between. */

import { walk } from "./api.js";
import { $, el, icon, later, reach } from "./dom.js";
import { nameOf, withPicture } from "./items.js";
import { fitting } from "./settings.js";

const FRAME_MS = 110;
const MOST_STEPS = 32;

export class Walk {
  /** `guard(work)` runs `work(signal, report)` and shows what goes wrong. */
  constructor(guard) {
    this.guard = guard;
    this.frames = [];
    $("walk-at").addEventListener("input", () => this.#show(Number($("walk-at").value)));
    $("walk-play").addEventListener("click", () => (this.timer ? this.pause() : this.#play()));
    $("walk-strip").addEventListener("click", (event) => this.#pick(event));
    $("walk-strip").addEventListener("keydown", (event) => this.#key(event));
    const again = later(250, () => this.start(this.from, this.to));
    $("walk-steps").addEventListener("input", () => {
      this.#steps();
      again();
    });
    this.#steps();
  }

  /** As many frames as the endpoint makes of `model`. */
  suit({ limits, width, height }) {
    const most = Math.min(MOST_STEPS, limits.max_steps, fitting(limits, width, height));
    reach($("walk-steps"), Math.max(2, most), $("walk-steps").value);
    this.#steps();
  }

  /** Both are samples of one model and truncation. */
  async start(from, to) {
    this.pause();
    [this.from, this.to] = [from, to];
    const end = ({ label, seed, index }) => ({ label: label ?? undefined, seed, index });
    this.request = {
      model: from.model,
      from: end(from),
      to: end(to),
      steps: Number($("walk-steps").value),
      ...(from.truncation && { truncation: from.truncation }),
      output_format: from.format,
    };
    await this.guard(async (signal, report) => {
      report.say("Generating the walk …");
      const blobs = await walk(this.request, signal);
      this.#fill(blobs);
      report.say(`${blobs.length} frames from ${title(from)} to ${title(to)}.`);
    });
  }

  /** Shape of one frame, and whether to keep its pixels sharp. */
  shape(width, height, smooth) {
    for (const id of ["walk-stage", "walk-strip"]) {
      $(id).style.setProperty("--ratio", `${width / height}`);
      $(id).classList.toggle("smooth", smooth);
    }
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.#button("Play", "play");
  }

  #fill(blobs) {
    for (const frame of this.frames) URL.revokeObjectURL(frame.url);
    const { model, truncation, format } = this.from;
    const { from, to, steps } = this.request;
    const common = { model, truncation, format, source: "walk", from, to, steps };
    this.frames = blobs.map((blob, step) => withPicture({ ...common, step }, blob));
    $("walk-empty").hidden = true;
    $("walk-stage").hidden = false;
    $("walk-at").max = blobs.length - 1;
    const tile = ({ url }, at) => el("li", {}, el("img", { src: url, alt: this.#alt(at) }));
    $("walk-strip").replaceChildren(...this.frames.map(tile));
    this.#show(0);
  }

  #alt(at) {
    return `AI-generated image: frame ${at + 1} of ${this.frames.length}`;
  }

  #show(at) {
    const share = Math.round((100 * at) / Math.max(1, this.frames.length - 1));
    $("walk-at").value = at;
    $("walk-at").setAttribute("aria-valuetext", `Frame ${at + 1}, ${share} % of the way`);
    $("walk-frame").src = this.frames[at].url;
    $("walk-frame").alt = this.#alt(at);
    $("walk-caption").textContent =
      `${title(this.from)} → ${title(this.to)} · ${share} % · AI-generated`;
    for (const [place, tile] of [...$("walk-strip").children].entries()) {
      if (place === at) tile.setAttribute("aria-current", "true");
      else tile.removeAttribute("aria-current");
    }
    this.at = at;
  }

  /** There and back, until it is stopped. */
  #play() {
    let by = 1;
    this.#button("Pause", "pause");
    this.timer = setInterval(() => {
      if (!this.frames[this.at + by]) by = -by;
      if (this.frames[this.at + by]) this.#show(this.at + by);
    }, FRAME_MS);
  }

  #button(name, picture) {
    $("walk-play").setAttribute("aria-label", name);
    $("walk-play").replaceChildren(icon(picture));
  }

  #pick(event) {
    const at = [...$("walk-strip").children].indexOf(event.target.closest("li"));
    if (at >= 0) this.#show(at);
  }

  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.frames[this.at + by]) return;
    event.preventDefault();
    this.#show(this.at + by);
    $("walk-strip").children[this.at].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #steps() {
    $("walk-steps-value").textContent = $("walk-steps").value;
  }
}

const title = (item) => `${nameOf(item)} ${item.index}`;
