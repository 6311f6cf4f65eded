/** The studio: ties the settings, the views and the dialogs together. */

import { ApiError, blobOf, generate, models } from "./api.js";
import { generateCode, varyCode, walkCode } from "./code.js";
import { Dialogs } from "./dialogs.js";
import { $, progress, save, say } from "./dom.js";
import { Gallery } from "./gallery.js";
import { archive, fileName, nameOf, withPicture } from "./items.js";
import { Kept } from "./kept.js";
import { Look } from "./look.js";
import { Problems } from "./problems.js";
import { offer } from "./selection.js";
import { Sets } from "./sets.js";
import { Settings } from "./settings.js";
import { Sounds } from "./sounds.js";
import { Vary } from "./vary.js";
import { Walk } from "./walk.js";

const VIEWS = ["samples", "walk", "vary", "sounds", "kept", "sets"];
const OF_IMAGES = ["controls", "toggle-controls", "tab-samples", "tab-walk", "tab-vary"];
const settings = new Settings(refresh);
const on = { open, select, keep, kept: (item) => kept.has(item) };
const galleries = {
  samples: new Gallery($("samples"), "Samples", on),
  vary: new Gallery($("variations"), "Variations", on),
  kept: new Gallery($("kept"), "Favourites", on),
  sets: new Gallery($("set-items"), "Items of the set", on),
};
const kept = new Kept(galleries.kept, { changed: keptChanged });
const look = new Look(on);
const dialogs = new Dialogs(code, newKey);
const problems = new Problems(() => dialogs.openKey());
const sets = new Sets(galleries.sets, () => settings.models, (work) => guard("sets", work));
const sounds = new Sounds((work) => guard("sounds", work));
const walk = new Walk((work) => guard("walk", work));
const vary = new Vary(galleries.vary, varyRequest, (work) => guard("vary", work));
const running = Object.fromEntries(VIEWS.map((name) => [name, new AbortController()]));
const codes = {
  samples: () => settings.model && generateCode(settings.request),
  walk: () => walk.request && walkCode(walk.request),
  vary: () => vary.can && vary.request && varyCode(vary.request),
};
const said = {};
let view = "samples";
let why = ""; // no walk between the two that are selected
let outdated = false; // the samples, while another view is looked at

/** Run `work(signal, report)` in place of what the view `name` was doing; what goes wrong is shown
 * with a way on. Views do not disturb each other. */
async function guard(name, work) {
  running[name].abort();
  running[name] = new AbortController();
  const { signal } = running[name];
  const report = {
    say: (text) => signal.aborted || tell(name, text),
    progress: (share) => signal.aborted || name !== view || progress(share),
  };
  problems.clear(name);
  try {
    await work(signal, report);
  } catch (error) {
    if (signal.aborted) return;
    galleries[name]?.end(true);
    report.say("");
    problems.add(name, error, () => guard(name, work));
  } finally {
    report.progress(1);
    offerCode();
  }
}

/** Favourites and items of a set come from many requests. */
function code() {
  return codes[view]?.();
}

function offerCode() {
  $("open-code").hidden = !code();
}

function tell(name, text) {
  said[name] = text;
  if (name === view) say(text);
}

async function start() {
  await guard("samples", async (signal, report) => {
    report.say("Loading the models …");
    const found = await models(signal);
    const images = found.filter(({ modality }) => modality === "image");
    sounds.offer(found.filter(({ modality }) => modality === "audio"));
    settings.offer(images);
    offerImages(images.length > 0 || !sounds.models.length);
    if (!found.length) throw new ApiError(0, { message: "This endpoint serves no model." }, null);
  });
  if (settings.model) await refresh();
}

/** Hides the settings and views of images unless a model of images is `served`. */
function offerImages(served) {
  for (const id of OF_IMAGES) $(id).hidden = !served;
  $("layout").classList.toggle("single", !served);
  if (!served && $(`tab-${view}`).hidden) show("sounds");
}

async function refresh() {
  vary.suit(settings.model);
  walk.suit(settings.model);
  offerCode();
  outdated = true;
  if (view === "vary") return vary.make();
  if (view !== "samples") return show("samples");
  return guard("samples", sample);
}

async function sample(signal, report) {
  outdated = false;
  const { request, count, index, truncation, size, format } = settings;
  const common = { model: request.model, seed: request.seed, truncation, size, format };
  galleries.samples.begin(count, ...settings.shape);
  $("range").textContent = `${index} to ${index + count - 1}`;
  $("previous").disabled = index === 0;
  report.progress(0);
  report.say(`Generating ${count} images …`);
  let done = 0;
  const fill = (image, order) => {
    const at = image.index === undefined ? order : image.index - index;
    const item = { ...common, model: image.model ?? common.model, label: image.label ?? null };
    item.index = index + at;
    galleries.samples.fill(at, withPicture(item, blobOf(image.b64_json, format)));
    report.progress(++done / count);
  };
  await generate(request, fill, signal);
  galleries.samples.end();
  report.say(`${done} images of seed ${request.seed}.`);
}

function varyRequest() {
  const { model, seed, count, labels, format } = settings;
  const fields = { model: model.version, seed, n: count, output_format: format };
  if (labels.size === 1) [fields.label] = labels;
  return { fields, width: model.width, height: model.height };
}

function show(name) {
  view = name;
  say(said[name] ?? "");
  problems.show(name);
  for (const other of VIEWS) {
    const chosen = other === name;
    $(`view-${other}`).hidden = !chosen;
    $(`tab-${other}`).setAttribute("aria-selected", String(chosen));
    $(`tab-${other}`).tabIndex = chosen ? 0 : -1;
  }
  for (const gallery of Object.values(galleries)) gallery.select([]);
  if (name !== "walk") walk.pause();
  offerCode();
  $("download-zip").hidden = name === "sounds";
  if (name === "sounds") sounds.show();
  if (name === "kept") showKept();
  if (name === "sets") sets.show();
  else sets.hide();
  if (name === "samples" && outdated) guard("samples", sample);
}

function showKept() {
  tell("kept", kept.rows.length ? `${kept.rows.length} favourites in this browser.` : "");
  const [width, height] = settings.model ? [settings.model.width, settings.model.height] : [1, 1];
  return kept.show(width, height);
}

function keptChanged() {
  $("kept-count").textContent = kept.rows.length || "";
  for (const gallery of Object.values(galleries)) gallery.hearts();
}

async function keep(item) {
  try {
    await kept.toggle(item);
    say(kept.has(item) ? `${nameOf(item)} ${item.index} is a favourite.` : "Removed from the favourites.");
  } catch {
    say("The browser's storage is full. Remove some favourites, then try again.");
  }
}

function open(item) {
  if (item.missing) return say(item.missing);
  return look.open(item, shown());
}

function shown() {
  return galleries[view] ?? galleries.samples;
}

function select(items) {
  const reason = offer(items, settings.model);
  if (reason === why) return;
  why = reason;
  say(why || said[view] || "");
}

const acts = {
  open: ([item]) => open(item),
  walk: ([from, to]) => {
    const smooth = shown().list.classList.contains("smooth");
    walk.shape(settings.model.width, settings.model.height, smooth);
    show("walk");
    $("tab-walk").focus();
    return walk.start(from, to);
  },
  vary: ([item]) => {
    const { blob } = item;
    show("vary");
    $("tab-vary").focus();
    return vary.use(blob, fileName(item));
  },
  keep: async (items) => {
    const all = items.every((item) => kept.has(item));
    for (const item of items) if (kept.has(item) === all) await keep(item);
  },
  download: (items) => (items.length === 1 ? save(items[0].blob, fileName(items[0])) : pack(items)),
  clear: () => {
    shown().select([]);
    shown().focus();
  },
};

async function pack(items) {
  const there = items.filter((item) => item?.blob);
  if (!there.length) return say("There are no images to download.");
  const digests = Object.fromEntries(settings.models.map(({ version, digest }) => [version, digest]));
  save(await archive(there, digests), `aigc-${there.length}-images.zip`);
  const lost = items.length - there.length;
  const without = lost ? ` ${lost} could not be loaded and ${lost === 1 ? "is" : "are"} left out.` : "";
  return say(`Downloading a ZIP of ${there.length} images and their manifest.${without}`);
}

async function newKey() {
  const before = view;
  await start();
  if (problems.has("samples")) show("samples");
  else if (before === "sets") show("sets");
}

function tabKey(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  const there = VIEWS.filter((name) => !$(`tab-${name}`).hidden);
  const next = there.at((there.indexOf(view) + by) % there.length);
  show(next);
  $(`tab-${next}`).focus();
}

function toggleControls() {
  const open = $("controls").classList.toggle("open");
  $("toggle-controls").setAttribute("aria-expanded", String(open));
}

vary.onTake = (file) => {
  if ($("tab-vary").hidden) return say("No model here makes images.");
  if (view !== "vary") show("vary");
  return vary.use(file, file.name);
};
for (const name of VIEWS) {
  $(`tab-${name}`).addEventListener("click", () => show(name));
  $(`tab-${name}`).addEventListener("keydown", tabKey);
}
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
$("selection").addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act) acts[act](shown().selected);
});
$("previous").addEventListener("click", () => settings.turn(-1));
$("next").addEventListener("click", () => settings.turn(1));
$("download-zip").addEventListener("click", () => pack(view === "walk" ? walk.frames : shown().items));
$("toggle-controls").addEventListener("click", toggleControls);
addEventListener("hashchange", () => location.reload()); // settings were pasted
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("content").focus();
});
keptChanged();
show("samples");
start();
