/** What went wrong in each view, told while that view is shown, with a way on. */

import { ApiError } from "./api.js";
import { $, el } from "./dom.js";

export class Problems {
  /** `openKey()` asks for another API key. */
  constructor(openKey) {
    this.openKey = openKey;
    this.told = new Map();
  }

  show(view) {
    this.view = view;
    const told = this.told.get(view);
    $("problem").replaceChildren(...(told ?? []));
    $("problem").hidden = !told;
  }

  has(view) {
    return this.told.has(view);
  }

  clear(view) {
    this.told.delete(view);
    if (view === this.view) this.show(view);
  }

  add(view, error, again) {
    if (!(error instanceof ApiError)) console.error(error);
    const untold = error.retryAfterS && !/ in \d+ s/.test(error.message);
    const wait = untold ? ` (retry in ${Math.ceil(error.retryAfterS)} s)` : "";
    const locked = error.status === 401 || error.status === 403;
    const textContent = locked ? "Enter an API key" : "Try again";
    const way = el("button", { type: "button", textContent });
    way.addEventListener("click", locked ? this.openKey : again);
    this.told.set(view, [el("p", { textContent: error.message + wait }), way]);
    if (view === this.view) this.show(view);
  }
}
