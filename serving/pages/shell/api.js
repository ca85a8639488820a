// Talks to the service that served this page: one function a call, errors in the service's own words. Draws nothing.

const KEY = "cocircle-api-key";

const PASSING = new Set([0, 429, 503]);

/** A refusal by the service, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(status, code, message, details = {}, retryAfter = null) {
    super(message);
    Object.assign(this, { status, code, details });
    this.retryAfter = retryAfter; // seconds, where the service says when to come again
  }

  /** No answer, or none now: the same may be asked again later. */
  get passing() {
    return PASSING.has(this.status);
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

/** `options` are those of the API: pack, fusion, search, precision, keep_crops, metadata. */
export const createCollection = (id, options = {}) => call("POST", "/v1/collections", { json: { id, ...options } });

export const collection = (id) => call("GET", path("collections", id));

/** `changes`: search, keep_crops or metadata. */
export const changeCollection = (id, changes) => call("PATCH", path("collections", id), { json: changes });

/** Deletes the collection and everybody in it. */
export const deleteCollection = (id) => call("DELETE", path("collections", id), { query: { force: "true" } });

/** One page of persons by id: {items, next}; `next` is the cursor of the following page, or null. */
export const persons = (collection, cursor = null, limit = 100) =>
  call("GET", path("collections", collection, "persons"), { query: paged(cursor, limit) });

export const person = (collection, id) => call("GET", path("collections", collection, "persons", id));

export const createPerson = (collection, id, name = "") =>
  call("POST", path("collections", collection, "persons"), { json: { id, name } });

/** `changes`: name or metadata. */
export const changePerson = (collection, id, changes) =>
  call("PATCH", path("collections", collection, "persons", id), { json: changes });

export const deletePerson = (collection, id) => call("DELETE", path("collections", collection, "persons", id));

/** Moves every face of `source` to `id`; `source` is gone then. */
export const mergePersons = (collection, id, source) =>
  call("POST", `${path("collections", collection, "persons", id)}:merge`, { json: { source } });

/** One page of a person's samples: {items, next}. */
export const faces = (collection, person, cursor = null, limit = 100) =>
  call("GET", path("collections", collection, "persons", person, "faces"), { query: paged(cursor, limit) });

export const deleteFace = (collection, person, face) =>
  call("DELETE", path("collections", collection, "persons", person, "faces", face));

/** The kept crop of a face as a Blob; null where none is kept. */
export async function crop(collection, person, face) {
  try {
    return await call("GET", path("collections", collection, "persons", person, "faces", face, "crop"), { blob: true });
  } catch (error) {
    if (error.code === "no_crop") return null;
    throw error;
  }
}

export const detect = (photo, signal) => call("POST", "/v1/detect", { images: { image: photo }, signal });

/** `limit` is {max_fmr} or {threshold}, or {} for what the service is set to. */
export const identify = (collection, photo, limit, signal) =>
  call("POST", path("collections", collection, "identify"), {
    images: { image: photo },
    query: { faces: "all", ...limit },
    signal,
  });

/**
 * `photos` is one file or several. `options` are the API's: `faces` "largest", or "one" to refuse a photo with several;
 * `quality` "auto" or "none"; `create` makes the person; `name` is that new person's.
 */
export const enrol = (collection, person, photos, options) =>
  call("POST", path("collections", collection, "persons", person, "faces"), {
    images: { image: photos },
    query: options,
  });

/** Is this person on the photo? Its largest face is compared. */
export const verifyPerson = (collection, person, photo, limit = {}) =>
  call("POST", path("collections", collection, "persons", person, "verify"), {
    images: { image: photo },
    query: { faces: "largest", ...limit },
  });

export const verify = (photoA, photoB, limit, signal) =>
  call("POST", "/v1/verify", {
    images: { image_a: photoA, image_b: photoB },
    query: { faces: "largest", ...limit },
    signal,
  });

/** `options` are by kind; with `open`, photos are uploaded to the job until it is started. */
export const makeJob = (kind, collection, options = {}, open = false) =>
  call("POST", "/v1/jobs", { json: { kind, collection, options, open } });

export const job = (id) => call("GET", path("jobs", id));

/** One page of jobs, newest first: {items, next}. `query`: collection, state. */
export const jobs = (query = {}, cursor = null, limit = 100) =>
  call("GET", "/v1/jobs", { query: { ...query, ...paged(cursor, limit) } });

/** One page of what a job found: {items, next}. */
export const findings = (id, cursor = null, limit = 100) =>
  call("GET", `${path("jobs", id)}/findings`, { query: paged(cursor, limit) });

/** Adds photos to an open job; `items` names them in the same order, as [{item}]. */
export const addItems = (id, photos, items) =>
  call("POST", `${path("jobs", id)}/items`, { images: { image: photos }, fields: { options: JSON.stringify({ items }) } });

/** Nothing more is to be uploaded to an open job. */
export const startJob = (id) => call("POST", `${path("jobs", id)}:start`);

// jobs, keys, audit

/** Every kind of job, with a JSON Schema of the options that clients may give. */
export const jobKinds = () => call("GET", "/v1/jobs:kinds");

/** One page of what became of a job's items: {items, next}; of those in `state`, or of all. */
export const items = (id, state = "", cursor = null, limit = 100) =>
  call("GET", `${path("jobs", id)}/items`, { query: { ...(state ? { state } : {}), ...paged(cursor, limit) } });

export const cancelJob = (id) => call("POST", `${path("jobs", id)}:cancel`);

export const resumeJob = (id) => call("POST", `${path("jobs", id)}:resume`);

/** Deletes a job's record, with its items, findings and file. */
export const deleteJob = (id) => call("DELETE", path("jobs", id));

/** The file that a job made, as a Blob. */
export const jobFile = (id) => call("GET", `${path("jobs", id)}/result`, { blob: true });

export const keys = () => call("GET", "/v1/keys");

/** `wanted`: scope, name, collections, rate, expires_at. The answer alone tells the key itself. */
export const makeKey = (wanted) => call("POST", "/v1/keys", { json: wanted });

export const revokeKey = (id) => call("DELETE", path("keys", id));

/** One page of the audit, newest first: {items, next}. `asked`: since, until, action, collection, actor, person. */
export const audit = (asked = {}, cursor = null, limit = 100) =>
  call("GET", "/v1/audit", { query: { ...asked, ...paged(cursor, limit) } });

/** All lines that are asked for as JSON Lines, oldest first, in a Blob. */
export const auditFile = (asked = {}) => call("GET", "/v1/audit:export", { query: asked, blob: true });

/** Whether every acknowledged write is searchable, and which collections lag. */
export const ready = () => call("GET", "/readyz", { also: 503 });

/** The metrics in Prometheus' text format. */
export const metrics = async () => (await call("GET", "/metrics", { blob: true })).text();

const paged = (cursor, limit) => (cursor ? { cursor, limit } : { limit });

/** A path below /v1 of these parts. Browsers resolve "." and ".." before they ask, and would ask for something else. */
function path(...parts) {
  const unfit = parts.find((part) => part === "." || part === "..");
  if (unfit) throw new ApiError(0, "not_addressable", `No browser can ask for ${unfit} by name; use the command line.`);
  return `/v1/${parts.map(encodeURIComponent).join("/")}`;
}

async function call(method, path, { query = {}, images, fields = {}, json, signal, blob = false, also = 0 } = {}) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  const headers = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  let body;
  if (images) {
    body = new FormData();
    for (const [name, text] of Object.entries(fields)) body.append(name, text);
    for (const [name, photos] of Object.entries(images)) {
      for (const photo of [photos].flat()) body.append(name, photo, photo.name || "photo.png");
    }
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
  return read(response, blob, also);
}

/** `also`: a status beside the 2xx that comes with an answer and not with a refusal. */
async function read(response, blob, also) {
  if (response.status === 204) return null;
  if (response.ok && blob) return response.blob();
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(response.status, "unreadable", `The service answered ${response.status} without words.`);
  }
  if (response.ok || (response.status === also && !answer.error)) return answer;
  const { code, message, details } = answer.error ?? {};
  const said = message ?? `The service answered ${response.status}.`;
  throw new ApiError(response.status, code ?? "error", said, details, Number(response.headers.get("Retry-After")) || null);
}
