/**
 * Items: what the page knows of an image. A sample is { model, label, seed, index, truncation,
 * size, format, blob, url }; with the same model, label, seed, index and truncation the endpoint
 * makes the same bytes again. A variation has `source` (its picture's name) and `strength` too; an
 * item of a content set has `kind` "set", its set's name as `source`, `id`, `candidate` (its index
 * among those of the seed) and `studio` (the page's address that begins with it). A frame of a walk
 * has its ends `from` and `to`, and is `step` of `steps` from 0 on. A seed that numbers here would
 * round is text. What could not be loaded has `missing`, the reason, instead of blob and url.
 */

import { address, picture } from "./api.js";
import { zip } from "./zip.js";

const NO_LABEL = "_"; // in the addresses of models that have none
export const SUFFIX = { png: "png", jpeg: "jpg", webp: "webp" };

export const nameOf = (item) =>
  item.label || (item.source && item.kind !== "set" ? "Variation" : "Image");

export const describe = (item) =>
  `${item.missing ? "Missing image" : "AI-generated image"}: ${nameOf(item)}, number ${item.index}` +
  (item.missing ? `. ${item.missing}` : "");

/** Of a row that has `seed_text`, too. */
export const seedOf = ({ seed, seed_text }) => (Number.isSafeInteger(seed) ? seed : seed_text);

/** Two items of one identity have the same text. */
export function identity(item) {
  const { model, label, seed, index, truncation, source, strength } = item;
  return JSON.stringify([model, label, seed, index, truncation ?? null, source, strength]);
}

/** The permanent address of a sample; variations have none. */
export function permanent(item) {
  if (item.source) return null;
  const parts = [item.model, item.label ?? NO_LABEL, item.seed].map(encodeURIComponent).join("/");
  const query = new URLSearchParams();
  if (item.truncation) query.set("truncation", item.truncation);
  if (item.size && item.size !== "auto") query.set("size", item.size);
  const path = `v1/images/${parts}/${item.index}.${SUFFIX[item.format ?? "png"]}`;
  return address(query.size ? `${path}?${query}` : path);
}

/** The body of POST /v1/images/generations that makes one sample. */
export function requestOf({ model, label, seed, index, truncation, size, format }) {
  const request = { model, n: 1, seed, index, output_format: format ?? "png" };
  if (label) request.labels = [label];
  if (truncation) request.truncation = truncation;
  if (size) request.size = size;
  return request;
}

export async function load(item, signal) {
  const blob = await picture(permanent(item), signal);
  return withPicture(item, blob);
}

export const withPicture = (item, blob) => ({ ...item, blob, url: URL.createObjectURL(blob) });

export function fileName(item) {
  const suffix = SUFFIX[item.format ?? "png"];
  if (item.steps) return `walk-${item.step}.${suffix}`;
  const label = nameOf(item).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return `${label || "image"}-${item.seed}-${item.index}.${suffix}`;
}

/** A ZIP of the items' files and a manifest.json that says where each came from. `digests` are
 * those of the models, by version. */
export async function archive(items, digests) {
  const files = [];
  const rows = [];
  for (const [at, item] of items.entries()) {
    const name = `images/${String(at).padStart(3, "0")}-${fileName(item)}`;
    const bytes = new Uint8Array(await item.blob.arrayBuffer());
    files.push({ name, bytes });
    const facts = { ...said(item), model_digest: digests[item.model] };
    rows.push({ file: name, ...facts, sha256: await sha256(bytes) });
  }
  const manifest = {
    format: "aigc-studio/1",
    created_at: new Date().toISOString(),
    ai_generated: true,
    digital_source_type:
      "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    items: rows,
  };
  const text = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
  return zip([{ name: "manifest.json", bytes: text }, ...files]);
}

function said(item) {
  const { model, label, seed, index, truncation, source, strength, id, candidate } = item;
  const { from, to, step, steps } = item;
  const of = { model, label, seed, index, candidate, truncation, source, strength, id };
  return { ...of, from, to, step, steps, address: permanent(item) ?? undefined };
}

/** Undefined over plain HTTP, where browsers offer no digests. */
async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
