// Talks to the service that served this page: one function a call, errors in the service's own words. Draws nothing.

const KEY = "cocircle-api-key";

/** A refusal by the service, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(status, code, message, details = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

export const system = () => call("GET", "/v1/system");

export const models = () => call("GET", "/v1/models");

/** Every collection, page by page. */
export async function collections() {
  const found = [];
  let cursor = null;
  do {
    const page = await call("GET", "/v1/collections", { query: cursor ? { cursor } : {} });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor);
  return found;
}

export const createCollection = (id) => call("POST", "/v1/collections", { json: { id } });

export const detect = (photo, signal) => call("POST", "/v1/detect", { images: { image: photo }, signal });

/** `limit` is {max_fmr} or {threshold}, or {} for what the service is set to. */
export const identify = (collection, photo, limit, signal) =>
  call("POST", `/v1/collections/${encodeURIComponent(collection)}/identify`, {
    images: { image: photo },
    query: { faces: "all", ...limit },
    signal,
  });

/** `faces` is "largest", or "one" to refuse a photo with several. */
export const enrol = (collection, person, photo, faces) =>
  call("POST", `/v1/collections/${encodeURIComponent(collection)}/persons/${encodeURIComponent(person)}/faces`, {
    images: { image: photo },
    query: { create: "true", faces },
  });

export const verify = (photoA, photoB, limit, signal) =>
  call("POST", "/v1/verify", {
    images: { image_a: photoA, image_b: photoB },
    query: { faces: "largest", ...limit },
    signal,
  });

async function call(method, path, { query = {}, images, json, signal } = {}) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  const headers = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  let body;
  if (images) {
    body = new FormData();
    for (const [name, photo] of Object.entries(images)) body.append(name, photo, photo.name || "photo.png");
  } else if (json) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(address, { method, headers, body, signal, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The service did not answer. Is it still running?");
  }
  return read(response);
}

async function read(response) {
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(response.status, "unreadable", `The service answered ${response.status} without words.`);
  }
  if (response.ok) return answer;
  const { code, message, details } = answer.error ?? {};
  throw new ApiError(response.status, code ?? "error", message ?? `The service answered ${response.status}.`, details);
}
