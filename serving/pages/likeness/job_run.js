// Waits for jobs and reads what they found. Which jobs, and what findings mean, is the pages' own.

import { ACTIVE } from "/assets/jobs/job_words.js";
import * as api from "/assets/shell/api.js";

const PAUSE_MS = 400;
const PATIENCE_MS = 3000;

/**
 * The job as it ended. `onProgress(job)` hears of it meanwhile. Throws an Error where it was not done, and an
 * AbortError where `signal` says that nobody waits any more; the job itself goes on then.
 */
export async function finished(job, onProgress, signal) {
  let now = job;
  let pause = PAUSE_MS;
  while (ACTIVE.has(now.state)) {
    onProgress(now);
    await new Promise((done) => setTimeout(done, pause));
    signal.throwIfAborted();
    try {
      now = await api.job(now.id);
      pause = PAUSE_MS;
    } catch (error) {
      if (!error.passing) throw error;
      pause = PATIENCE_MS;
    }
  }
  if (now.state !== "done") throw new Error(`The job ${now.state === "failed" ? "failed" : "was cancelled"}. ${now.message}`);
  return now;
}

/** Everything that a job found. */
export async function allFindings(id) {
  const found = [];
  let cursor = null;
  do {
    const page = await api.findings(id, cursor, 1000);
    found.push(...page.items);
    cursor = page.next;
  } while (cursor);
  return found;
}

/** The newest finished job of this kind in `collection` that `suits`, among the last hundred; or undefined. */
export async function newest(collection, kind, suits = () => true) {
  const { items } = await api.jobs({ collection, state: "done" });
  return items.find((job) => job.kind === kind && suits(job));
}

/** How far a job is, in words. */
export function progress(job) {
  if (!job.listed) return "Beginning…";
  return `Looking: ${job.done + job.rejected + job.failed} of ${job.items} parts.`;
}
