/** The API key, the same images from code, and the theme. */

import { key } from "./api.js";
import { $, copy } from "./dom.js";

const THEMES = { "": "System", light: "Light", dark: "Dark" };

export class Dialogs {
  /** `code()` makes what is on screen, if anything; `newKey()` is called when the key is another. */
  constructor(code, newKey) {
    this.code = code;
    $("open-key").addEventListener("click", () => this.openKey());
    $("key-form").addEventListener("submit", (event) => {
      key.set(event.submitter?.value === "forget" ? "" : $("key-value").value.trim());
      newKey();
    });
    $("open-code").addEventListener("click", () => this.#openCode());
    for (const name of ["python", "curl"]) {
      $(`copy-${name}`).addEventListener("click", () => copied($(`copy-${name}`), $(name)));
    }
    $("theme").addEventListener("click", nextTheme);
    theme(document.documentElement.dataset.theme ?? "");
  }

  openKey() {
    $("key-value").value = key.get();
    $("key").showModal();
  }

  #openCode() {
    const code = this.code();
    if (!code) return;
    $("python").textContent = code.python;
    $("curl").textContent = code.curl;
    $("code").showModal();
  }
}

async function copied(button, source) {
  await copy(source.textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

function theme(value) {
  document.documentElement.dataset.theme = value;
  localStorage.setItem("aigc-studio-theme", value);
  $("theme-name").textContent = THEMES[value];
  $("theme").setAttribute("aria-label", `Theme: ${THEMES[value]}`);
}

function nextTheme() {
  const names = Object.keys(THEMES);
  theme(names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length]);
}
