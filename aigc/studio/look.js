/** One image, large, with where it came from. */

import { addressOf, key } from "./api.js";
import { $, copy, duration, facts, save, say } from "./dom.js";
import { describe, fileName, nameOf, permanent, requestOf } from "./items.js";

export class Look {
  /** `on`: { keep(item), kept(item) } */
  constructor(on) {
    this.on = on;
    $("look-keep").addEventListener("click", async () => {
      await on.keep(this.item);
      this.#heart();
    });
    $("look-download").addEventListener("click", () => save(this.item.blob, fileName(this.item)));
    $("look-link").addEventListener("click", () => this.#copyLink());
    $("look-studio").addEventListener("click", () => {
      location.hash = this.item.studio;
      location.reload();
    });
    $("look-previous").addEventListener("click", () => this.#step(-1));
    $("look-next").addEventListener("click", () => this.#step(1));
    $("look").addEventListener("keydown", (event) => this.#key(event));
    $("look").addEventListener("close", () => this.gallery.focus(this.item));
  }

  open(item, gallery) {
    this.gallery = gallery;
    this.#show(item);
    $("look").showModal();
  }

  #show(item) {
    this.item = item;
    const image = $("look-image");
    image.src = item.url;
    image.alt = describe(item);
    for (const name of ["--ratio", "--native"]) {
      image.parentElement.style.setProperty(name, this.gallery.list.style.getPropertyValue(name));
    }
    $("look").classList.toggle("smooth", this.gallery.list.classList.contains("smooth"));
    $("look-title").textContent = `${nameOf(item)} ${item.index}`;
    facts($("look-facts"), [
      ["Model", item.model],
      ["Label", item.label],
      ["Seed", item.seed],
      ["Index", item.index],
      ["Truncation", item.truncation ?? (item.source ? "" : "off")],
      [item.kind === "set" ? "Set" : "Source", item.source],
      ["Candidate", item.candidate === item.index ? "" : item.candidate],
      ["Strength", item.strength],
      ["File", `${item.format.toUpperCase()}, ${item.blob.size.toLocaleString("en")} bytes`],
    ]);
    $("look-status").textContent = "";
    $("look-link").hidden = !permanent(item);
    $("look-studio").hidden = !item.studio;
    $("look-previous").disabled = !this.gallery.step(item, -1);
    $("look-next").disabled = !this.gallery.step(item, 1);
    this.#heart();
  }

  #heart() {
    const kept = this.on.kept(this.item);
    $("look-keep").setAttribute("aria-pressed", String(kept));
    $("look-keep").lastChild.textContent = kept ? "Kept" : "Keep";
  }

  #step(by) {
    const next = this.gallery.step(this.item, by);
    if (next) this.#show(next);
  }

  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) this.#step(by);
    else if (event.key === "f" || event.key === "F") $("look-keep").click();
  }

  /** Where keys are asked for, the permanent address opens for those who send theirs. */
  async #address() {
    return key.get() ? addressOf(requestOf(this.item)) : { url: permanent(this.item) };
  }

  /** In the page's status line, and in the dialog's, which is before it. */
  #say(text) {
    say(text);
    $("look-status").textContent = text;
  }

  async #copyLink() {
    try {
      const { url, lasts_s } = await this.#address();
      await copy(url);
      this.#say(
        lasts_s
          ? `Copied. This address opens without a key for ${duration(lasts_s)}.`
          : "Copied the permanent address.",
      );
    } catch (error) {
      this.#say(`Not copied: ${error.message}`);
      return;
    }
    $("look-link").lastChild.textContent = "Copied";
    setTimeout(() => ($("look-link").lastChild.textContent = "Copy link"), 2000);
  }
}
