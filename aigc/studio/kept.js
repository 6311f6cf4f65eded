/** Favourites, kept in this browser: identities only, for a sample can always be made again. */

import { $ } from "./dom.js";
import { identity, load, permanent, withPicture } from "./items.js";

const STORE = "aigc-studio-kept";
const AT_ONCE = 6;

export class Kept {
  /** `on` as for a Gallery, and `on.changed()`. */
  constructor(gallery, on) {
    this.gallery = gallery;
    this.on = on;
    this.rows = read();
    this.stop = new AbortController();
  }

  has(item) {
    const wanted = identity(item);
    return this.rows.some((row) => identity(row) === wanted);
  }

  async toggle(item) {
    if (this.has(item)) {
      const wanted = identity(item);
      this.rows = this.rows.filter((row) => identity(row) !== wanted);
    } else {
      this.rows = [...this.rows, await row(item)];
    }
    localStorage.setItem(STORE, JSON.stringify(this.rows));
    this.on.changed();
  }

  /** Make them again, a few at a time. */
  async show(width, height) {
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    const rows = this.rows;
    $("kept-empty").hidden = rows.length > 0;
    this.gallery.begin(rows.length, width, height);
    const queue = rows.entries();
    const work = async () => {
      for (const [at, kept] of queue) await this.#one(at, kept, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (!signal.aborted) this.gallery.end();
  }

  async #one(at, kept, signal) {
    try {
      const item = permanent(kept) ? await load(kept, signal) : withPicture(kept, stored(kept));
      if (!signal.aborted) this.gallery.fill(at, item);
    } catch (error) {
      if (!signal.aborted) this.gallery.fill(at, { ...kept, missing: error.message });
    }
  }
}

function read() {
  try {
    const rows = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(rows) ? rows : [];
  } catch {
    return [];
  }
}

/** A variation depends on a picture that only the user has, so its file is kept itself. */
async function row({ blob, url, missing, ...item }) {
  if (permanent(item) || item.file) return item;
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return { ...item, file: btoa(text), type: blob.type };
}

function stored({ file, type }) {
  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type });
}
