/** What a view shows, by the `openai` client and by curl; the key itself is never written out. */

import { address, key } from "./api.js";
import { SUFFIX } from "./items.js";

/** Of a body for /v1/images/generations. */
export function generateCode(request) {
  const { model, n, size, output_format, ...ours } = request;
  const prompt = (request.labels ?? []).join(", ");
  const fields = { model, prompt, n, response_format: "b64_json" };
  if (size) fields.size = size;
  if (output_format) fields.output_format = output_format;
  const call = [
    "answer = client.images.generate(",
    ...named(fields),
    `    extra_body=${python(ours)},`,
    ")",
  ];
  const body = { ...request, response_format: "b64_json" };
  return {
    python: script(call, "answer.data", "image.b64_json", output_format),
    curl: command("v1/images/generations", json(body)),
  };
}

/** Of a body for /v1/latents/walk, a call that `openai` has no name for. */
export function walkCode(request) {
  const call = [
    "answer = client.post(",
    '    "/latents/walk",',
    "    cast_to=httpx.Response,",
    `    body=${python(request)},`,
    ")",
  ];
  return {
    python: script(call, 'answer.json()["data"]', 'image["b64_json"]', request.output_format, "httpx"),
    curl: command("v1/latents/walk", json(request)),
  };
}

/** Of the fields for /v1/images/variations, with the picture in a file called `name`. */
export function varyCode({ name, fields }) {
  const { model, n, ...ours } = fields;
  const call = [
    "answer = client.images.create_variation(",
    `    image=open(${python(name)}, "rb"),`,
    ...named({ model, n, response_format: "b64_json" }),
    `    extra_body=${python(ours)},`,
    ")",
  ];
  const form = Object.entries({ ...fields, response_format: "b64_json" });
  return {
    python: script(call, "answer.data", "image.b64_json", fields.output_format),
    curl: command("v1/images/variations", [
      `-F ${shell(`image=@"${name.replaceAll(/[\\"]/g, "\\$&")}"`)}`,
      ...form.map(([field, value]) => `--form-string ${shell(`${field}=${value}`)}`),
    ]),
  };
}

function script(call, images, file, format, ...modules) {
  return [
    "import base64",
    "import os",
    "",
    ...modules.map((name) => `import ${name}`),
    "from openai import OpenAI",
    "",
    "client = OpenAI(",
    `    base_url=${python(address("v1"))},`,
    '    api_key=os.environ.get("AIGC_API_KEY", "none"),',
    ")",
    ...call,
    `for number, image in enumerate(${images}):`,
    `    with open(f"{number}.${SUFFIX[format ?? "png"]}", "wb") as output:`,
    `        output.write(base64.b64decode(${file}))`,
  ].join("\n");
}

function command(path, options) {
  const all = key.get() ? ['-H "Authorization: Bearer $AIGC_API_KEY"', ...options] : options;
  return [`curl ${shell(address(path))}`, ...all].join(" \\\n  ");
}

const json = (body) => [
  '-H "Content-Type: application/json"',
  `-d ${shell(JSON.stringify(body, null, 2))}`,
];

const named = (fields) =>
  Object.entries(fields).map(([name, value]) => `    ${name}=${python(value)},`);

/** A value as Python writes it; what JSON escapes in texts, Python does, too. */
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  const known = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${known.map(([name, one]) => `${python(name)}: ${python(one)}`).join(", ")}}`;
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
