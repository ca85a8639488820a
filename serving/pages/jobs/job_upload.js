// Uploads items to an open job, some at a time, and starts it; waits where the service asks for that.

import * as api from "/assets/shell/api.js";

/**
 * Sends `entries`, [{item, person, file}], and starts the job. `most` items and `bytes` go into one request.
 * `onProgress(sent, words)` hears of it. Returns the started job. An AbortError of `signal` leaves the job open.
 */
export async function upload(job, entries, { most, bytes, onProgress, signal }) {
  let sent = 0;
  for (const part of batches(entries, most, bytes)) {
    const files = part.map((entry) => entry.file);
    const items = part.map(({ item, person }) => (person ? { item, person } : { item }));
    const wait = (seconds) => onProgress(sent, `The service is busy with what was sent; going on in ${seconds} s.`);
    await patiently(() => api.addItems(job.id, files, items), wait, signal);
    sent += part.length;
    onProgress(sent, "");
  }
  return patiently(() => api.startJob(job.id), () => {}, signal);
}

/** Parts of at most `most` entries and, but for a single one, `bytes` bytes. */
export function* batches(entries, most, bytes) {
  let part = [];
  let size = 0;
  for (const entry of entries) {
    if (part.length && (part.length === most || size + entry.file.size > bytes)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(entry);
    size += entry.file.size;
  }
  if (part.length) yield part;
}

/** Does `work` again for as long as the service answers that it is busy: an item sent twice is taken once. */
async function patiently(work, onWait, signal) {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (error.status !== 429 || !error.retryAfter) throw error;
      onWait(error.retryAfter);
      await new Promise((done) => setTimeout(done, error.retryAfter * 1000));
    }
  }
}
