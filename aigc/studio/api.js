/** The endpoint's HTTP API: calls, streamed images, errors in words people can act on. */

const BASE = new URL("../", import.meta.url);
const KEY = "aigc-studio-key";

/** An answer other than 2xx. `message` is the endpoint's own. */
export class ApiError extends Error {
  constructor(status, error, retryAfterS) {
    super(error?.message || `The endpoint returned status ${status}.`);
    this.status = status;
    this.param = error?.param ?? null;
    this.retryAfterS = retryAfterS;
  }
}

export const address = (path) => new URL(path, BASE).href;

/** The key lives as long as the tab, and goes nowhere but into the Authorization header. */
export const key = {
  get: () => sessionStorage.getItem(KEY) || "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export async function models(signal) {
  const answer = await call("v1/models", { signal });
  return (await answer.json()).data;
}

export async function json(path, signal) {
  return (await call(path, { signal })).json();
}

/** Images of one request, each handed to `onImage(item, at)` as soon as it is there. */
export function generate(request, onImage, signal) {
  const body = JSON.stringify({ ...request, response_format: "b64_json", stream: true });
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  return images("v1/images/generations", { method: "POST", headers, body, signal }, onImage);
}

/** Where one sample is to be had without a key, and for how long: null where it is for good. */
export async function addressOf(request) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ ...request, response_format: "url" });
  const answer = await call("v1/images/generations", { method: "POST", headers, body });
  const { created, data } = await answer.json();
  const expires = new URL(data[0].url).searchParams.get("expires");
  return { url: data[0].url, lasts_s: expires && Number(expires) - created };
}

/** `form` is multipart: image, model, n, strength, seed, and label and output_format at will. */
export function vary(form, onImage, signal) {
  form.set("response_format", "b64_json");
  form.set("stream", "true");
  return images("v1/images/variations", { method: "POST", body: form, signal }, onImage);
}

/** Frames on the way between two items, as blobs. */
export async function walk(request, signal) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(request);
  const answer = await call("v1/latents/walk", { method: "POST", headers, body, signal });
  const { data } = await answer.json();
  return data.map((frame) => blobOf(frame.b64_json, request.output_format));
}

/** One item by its permanent address, which browsers keep for good. */
export async function picture(url, signal) {
  return (await call(url, { signal })).blob();
}

export function blobOf(base64, format = "png") {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: `image/${format}` });
}

async function images(path, options, onImage) {
  const answer = await call(path, options);
  if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    (await answer.json()).data.forEach(onImage);
    return;
  }
  let at = 0;
  for await (const event of events(answer.body)) {
    if (event.error) throw new ApiError(answer.status, event.error, null);
    if (event.b64_json) onImage(event, at++);
  }
}

/** Server-sent events of a body, as their JSON (WHATWG HTML, 9.2.6). */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5).trimStart()).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  let answer;
  try {
    answer = await fetch(address(path), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: "The endpoint cannot be reached. Check that it is running, then try again." }, null);
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => null);
  const wait = Number(answer.headers.get("Retry-After"));
  throw new ApiError(answer.status, problem?.error, wait > 0 ? wait : null);
}
