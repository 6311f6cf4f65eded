/** Small helpers around the document. */

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text, never markup. */
export function el(tag, properties = {}, ...children) {
  const { data, ...own } = properties;
  const element = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(data ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Said once by screen readers, and shown above the images. */
export function say(text) {
  $("status").textContent = text;
}

export function progress(share) {
  $("progress").value = share;
  $("progress").classList.toggle("idle", share >= 1);
}

export function facts(list, pairs) {
  const rows = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  list.replaceChildren(
    ...rows.flatMap(([name, value]) => [
      el("dt", { textContent: name }),
      el("dd", { textContent: String(value) }),
    ]),
  );
}

/** A slider's far end, `most`, which may be less than the near one was; `wanted` if it fits. */
export function reach(slider, most, wanted) {
  slider.min = Math.min(4, most);
  slider.max = most;
  slider.step = most < 16 ? 1 : 4;
  slider.value = wanted;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function later(wait_ms, work) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), wait_ms);
  };
}

/** Also where the page came over plain HTTP, which has no clipboard object. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = el("textarea", { value: text, className: "sr" });
  (document.querySelector("dialog[open]") ?? document.body).append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

export function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
