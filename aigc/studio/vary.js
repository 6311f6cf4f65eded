/** Variations of a picture of the user's own, or of an item, by models that can encode. */

import { blobOf, vary } from "./api.js";
import { $, later, say } from "./dom.js";
import { withPicture } from "./items.js";

export class Vary {
  /** `ask()` gives { fields, width, height }, the fields being those of the form beside the
   * picture; `guard(work)` runs `work(signal, report)`. */
  constructor(gallery, ask, guard) {
    this.gallery = gallery;
    this.ask = ask;
    this.guard = guard;
    $("vary-file").addEventListener("change", () => this.#take($("vary-file").files));
    const again = later(250, () => this.make());
    $("strength").addEventListener("input", () => {
      this.#strength();
      again();
    });
    document.addEventListener("paste", (event) => this.#take(event.clipboardData.files));
    this.#strength();
    this.#dropping();
  }

  /** Show why not, when `model` cannot. */
  suit(model) {
    const can = Boolean(model?.can?.includes("vary"));
    $("vary-stage").hidden = !can;
    $("vary-why").hidden = can;
    $("vary-why").textContent = can
      ? ""
      : `${model?.id ?? "This model"} cannot vary images: variations need the encoder of a VAE, ` +
        "and this model is a GAN. Choose a VAE model.";
    this.can = can;
  }

  /** A file, or an item's blob with a name. */
  use(blob, name) {
    this.source = { blob, name };
    if ($("vary-source").src) URL.revokeObjectURL($("vary-source").src);
    $("vary-source").src = URL.createObjectURL(blob);
    $("vary-source").alt = `Your image ${name}`;
    $("vary-source").hidden = false;
    $("drop-text").firstElementChild.textContent = name;
    $("drop-text").lastElementChild.textContent = "Drop another one here, paste one, or";
    return this.make();
  }

  make() {
    if (!this.source || !this.can) return undefined;
    const { fields, width, height } = this.ask();
    const { model, seed, n } = fields;
    const strength = Number($("strength").value);
    const form = new FormData();
    form.set("image", this.source.blob, this.source.name);
    this.request = { name: this.source.name, fields: { ...fields, strength } };
    for (const [name, value] of Object.entries(this.request.fields)) form.set(name, value);
    const common = { model, seed, strength, source: this.source.name };
    common.format = fields.output_format;
    return this.guard(async (signal, report) => {
      this.gallery.begin(n, width, height);
      report.progress(0);
      report.say(`Generating ${n} variations of ${this.source.name} …`);
      let done = 0;
      await vary(
        form,
        (image, at) => {
          const item = { ...common, label: image.label ?? null, index: image.index ?? at };
          this.gallery.fill(at, withPicture(item, blobOf(image.b64_json, common.format)));
          report.progress(++done / n);
        },
        signal,
      );
      this.gallery.end();
      report.say(`${done} variations of ${this.source.name}.`);
    });
  }

  #take(files) {
    const file = [...files].find((one) => one.type.startsWith("image/"));
    if (file) this.onTake(file);
    else if (files.length) say("Not an image file. Drop a PNG, JPEG or WebP file.");
  }

  #strength() {
    $("strength-value").textContent = Number($("strength").value).toFixed(2);
  }

  /** The whole page takes drops, so that a near miss does not open the file instead. */
  #dropping() {
    const over = (on) => document.documentElement.classList.toggle("dropping", on);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget ?? over(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.#take(event.dataTransfer.files);
    });
  }
}
