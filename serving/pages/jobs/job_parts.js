// What the list of jobs and the view of one show alike: the state, and a bar of how far it is.

import { element } from "/assets/controls/element.js";
import * as told from "/assets/jobs/job_words.js";

/** The state of a job in words, and by a colour. */
export const stateOf = ({ state }) => element("span", { class: "state", "data-state": state }, told.state(state));

/** How far a job is; without an end where its items are not all listed. "" for a job that has no items. */
export function progressBar(job) {
  const words = told.progress(job);
  if (!words) return told.ACTIVE.has(job.state) ? [bar({}), "beginning"] : "";
  return [bar(job.listed ? { max: job.items, value: told.settled(job) } : {}), element("span", { class: "of" }, words)];
}

const bar = (attributes) => element("progress", { "aria-label": "Items settled", ...attributes });
