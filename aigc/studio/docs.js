/** The API's document as a page: each call with its fields and answers, and a form to try it. */

import { address, blobOf, key } from "./api.js";
import { $, el } from "./dom.js";

const LONG = 120; // characters of a text in an answer

/** A schema without its references; what may be null says so. */
function plain(schema, document) {
  if (!schema) return {};
  if (schema.$ref) return plain(document.components.schemas[schema.$ref.split("/").pop()], document);
  if (!schema.anyOf) return schema;
  const kinds = schema.anyOf.map((kind) => plain(kind, document));
  const types = kinds.map((kind) => told(kind, document));
  return { ...schema, told: [...new Set(types)].join(" or ") };
}

/** A type in words: "integer, 1 to 64, default 1". That null is as good as nothing goes unsaid. */
function told(schema, document) {
  const found = plain(schema, document);
  if (found.told) return [found.told, ...limits(found)].join(", ");
  const items = found.items ? ` of ${told(found.items, document)}` : "";
  const values = found.enum?.filter((value) => value !== null);
  const kinds = [found.type ?? "any"].flat().filter((kind) => kind !== "null");
  const type = found.const ?? values?.join(" | ") ?? kinds.join(" or ");
  return [type + items, ...limits(found)].join(", ");
}

/** Large powers of two are no numbers to read, and not exact here. */
const bound = (value) => (value > 2 ** 31 && value % 2 ** 31 === 0 ? `2**${Math.log2(value)}` : value);

function limits({ exclusiveMinimum: above, exclusiveMaximum: below, ...schema }) {
  const low = schema.minimum ?? (above === undefined ? undefined : `more than ${above}`);
  const high = bound(schema.maximum) ?? (below === undefined ? undefined : `below ${bound(below)}`);
  const set = schema.default !== undefined && schema.default !== null;
  return [
    low !== undefined && high !== undefined ? `${low} to ${high}` : "",
    low !== undefined && high === undefined ? `at least ${low}` : "",
    low === undefined && high !== undefined ? `at most ${high}` : "",
    set ? `default ${schema.default}` : "",
  ].filter(Boolean);
}

function table(title, rows) {
  if (!rows.length) return [];
  const lines = rows.map(([name, type, text]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", textContent: name }),
      el("td", { textContent: type }),
      el("td", {}, ...words(text ?? "")),
    ),
  );
  return [el("h3", { textContent: title }), el("table", {}, el("tbody", {}, ...lines))];
}

/** Text whose `names` are set as such. */
function words(text) {
  return text.split("`").map((part, at) => (at % 2 ? el("code", { textContent: part }) : part));
}

function fieldsOf(schema, document) {
  const { properties = {}, required = [] } = plain(schema, document);
  return Object.entries(properties).map(([name, field]) => {
    const needed = required.includes(name) ? ", required" : "";
    return [name, told(field, document) + needed, plain(field, document).description];
  });
}

function bodyOf(call) {
  const [[type, content] = []] = Object.entries(call.requestBody?.content ?? {});
  return { type, schema: content?.schema };
}

/** One call; `known` are values to begin with, by the name of the field. */
function section(path, method, call, document, known) {
  const id = idOf(path, method);
  const body = bodyOf(call);
  const parameters = (call.parameters ?? []).map((one) => [
    one.name,
    [one.in, told(one.schema, document), one.required ? "required" : ""].filter(Boolean).join(", "),
    one.description ?? one.schema.description,
  ]);
  const answers = Object.entries(call.responses).map(([code, { description, content }]) => [
    code,
    Object.keys(content ?? {}).join(", "),
    description,
  ]);
  const name = el("b", { textContent: method.toUpperCase() });
  return el(
    "section",
    { className: "call", data: { "aria-labelledby": id } },
    el("h2", { id, textContent: call.summary }),
    el("p", { className: "route" }, name, ` ${path}`),
    ...(call.description ? [el("p", { className: "hint", textContent: call.description })] : []),
    ...table("Parameters", parameters),
    ...table(body.type ? `Body, ${body.type}` : "", body.type ? fieldsOf(body.schema, document) : []),
    el("details", {}, el("summary", { textContent: "Responses" }), ...table("Status", answers)),
    el("details", {}, el("summary", { textContent: "Try it" }), form(path, method, call, known)),
  );
}

const idOf = (path, method) => `${method}${path.replace(/[^a-z]+/gi, "-")}`;

function form(path, method, call, known) {
  const body = bodyOf(call);
  const asked = (call.parameters ?? []).filter((one) => one.in !== "header");
  const inputs = asked.map((one) => {
    const input = el("input", { name: one.name, required: Boolean(one.required), autocomplete: "off" });
    if (one.required) input.value = known[one.name] ?? "";
    return el("label", {}, one.name, input);
  });
  const parts = [el("div", { className: "two" }, ...inputs)];
  if (body.type === "application/json") {
    const value = JSON.stringify(exampleOf(path, known), null, 2);
    const box = el("textarea", { name: "body", value, spellcheck: false });
    parts.push(el("label", {}, "Body", box));
  } else if (body.type) {
    parts.push(el("label", {}, "image", el("input", { name: "image", type: "file", required: true })));
    const value = JSON.stringify({ model: known.reader ?? known.model, n: 4, seed: 7 }, null, 2);
    parts.push(el("label", {}, "Other fields", el("textarea", { name: "body", value })));
  }
  const output = el("div", { data: { "aria-live": "polite" } });
  const made = el("form", { className: "try" }, ...parts, el("button", { className: "primary", textContent: "Send" }), output);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, method, call, made, output);
  });
  return made;
}

function exampleOf(path, { model, label }) {
  const labels = label === "_" ? {} : { label };
  if (!path.endsWith("walk")) return { model, ...(labels.label && { labels: [label] }), n: 4, seed: 7 };
  const end = (index) => ({ ...labels, seed: 7, index });
  return { model, from: end(0), to: end(1), steps: 8 };
}

async function send(path, method, call, made, output) {
  const values = new FormData(made);
  const query = new URLSearchParams();
  let target = path.slice(1);
  for (const { name, in: place } of call.parameters ?? []) {
    const value = values.get(name);
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "query" && value) query.set(name, value);
  }
  if (query.size) target += `?${query}`;
  const options = { method: method.toUpperCase(), headers: new Headers() };
  if (key.get()) options.headers.set("Authorization", `Bearer ${key.get()}`);
  const started = performance.now();
  try {
    add(options, bodyOf(call).type, values);
    const answer = await fetch(address(target), options);
    const shown = await contentOf(answer);
    const took = Math.round(performance.now() - started);
    const head = `${answer.status} ${answer.statusText} · ${took} ms`;
    output.replaceChildren(el("p", { className: "hint", textContent: head }), ...shown);
  } catch (error) {
    output.replaceChildren(el("p", { className: "problem", textContent: error.message }));
  }
}

function add(options, type, values) {
  if (!type) return;
  if (type === "application/json") {
    options.headers.set("Content-Type", type);
    options.body = values.get("body");
    return;
  }
  options.body = new FormData();
  options.body.set("image", values.get("image"));
  const others = Object.entries(JSON.parse(values.get("body") || "{}"));
  for (const [name, value] of others) options.body.set(name, value);
}

async function contentOf(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  if (type.startsWith("image/")) return [shots([await answer.blob()])];
  const text = await answer.text();
  if (!type.startsWith("application/json")) return [block(text)];
  const value = JSON.parse(text);
  const rows = Array.isArray(value.data) ? value.data.filter((row) => row.b64_json) : [];
  const pictures = rows.map((row) => blobOf(row.b64_json, value.output_format));
  return [shots(pictures), block(JSON.stringify(value, shorten, 2))];
}

const shorten = (_, value) =>
  typeof value === "string" && value.length > LONG ? `${value.slice(0, LONG)}…` : value;

const block = (textContent) => {
  const pre = el("pre", { textContent, tabIndex: 0 });
  pre.setAttribute("aria-label", "Response");
  pre.setAttribute("role", "region");
  return pre;
};

function shots(blobs) {
  const image = (blob, at) =>
    el("img", { src: URL.createObjectURL(blob), alt: `AI-generated image ${at + 1} of the response` });
  return el("div", { className: "shots" }, ...blobs.map(image));
}

/** Values to begin with, from the first model there is. */
async function knownValues() {
  const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  const answer = await fetch(address("v1/models"), { headers }).catch(() => null);
  const models = answer?.ok ? (await answer.json()).data : [];
  const [first] = models;
  const reader = models.find((model) => model.can.includes("vary"))?.id;
  const label = first?.labels[0] ?? "_";
  const model = first?.id ?? "";
  return { model, reader, label, id: model, ref: first?.version ?? "", seed: "7", file: "0.png" };
}

async function start() {
  const answer = await fetch(address("openapi.json"));
  const document = await answer.json();
  const known = await knownValues();
  const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => [path, method, call]),
  );
  $("about").replaceChildren(...words(document.info.description));
  $("key-form").hidden = !document.components.securitySchemes;
  $("calls").replaceChildren(
    ...calls.map(([path, method, call]) => section(path, method, call, document, known)),
  );
  $("index").replaceChildren(...calls.map(([path, method]) => entry(path, method)));
  if (location.hash) $(location.hash.slice(1))?.scrollIntoView();
}

function entry(path, method) {
  const name = el("span", { className: "method", textContent: method.toUpperCase() });
  return el("li", {}, el("a", { href: `#${idOf(path, method)}` }, name, path));
}

$("key-value").value = key.get();
$("key-form").addEventListener("submit", (event) => event.preventDefault());
$("key-value").addEventListener("change", () => {
  key.set($("key-value").value.trim());
  start();
});
start().catch((error) => {
  $("problem").textContent = error.message;
  $("problem").hidden = false;
});
