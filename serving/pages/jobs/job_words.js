// Says in words what jobs are, do and have come to. Pure functions on values of the API; touches no page.

import * as words from "/assets/shell/words.js";

const KINDS = {
  enroll: ["Enrol photos", "Enrols many photos, uploaded from here, into a collection."],
  export: ["Export", "Writes a collection into one file, which can be fetched here and imported elsewhere."],
  import: ["Import", "Puts an exported file back: persons, faces and pictures, with the same bits of their templates."],
  dedup: ["Look for duplicates", "Finds pairs of persons who look like one. Nothing is changed; the page Duplicates shows them."],
  cluster: ["Group unknowns", "Groups persons whose ids begin with a prefix by how alike they are. The page Unknowns shows the groups."],
  purge: ["Delete what is old", "Deletes faces or persons that are older than so many days, for good."],
  rebuild: ["Rebuild the index", "Makes the vector index anew from the database. Not needed in ordinary life."],
  calibrate: ["Measure false matches", "Counts how often strangers of this collection look alike. Nothing is changed."],
  reembed: ["Change the model", "Brings a collection to another served model while it goes on answering, then switches."],
  rollback: ["Back to the model before", "Brings the form that was live before up to date, and makes it live again."],
  discard: ["Forget a form", "Removes the form of a collection that waits beside the live one."],
};

const STATES = {
  open: "takes uploads",
  waiting: "is being listed",
  running: "at work",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

const OPTIONS = {
  max_fmr: "Alike from this false match rate",
  threshold: "or from this cosine",
  smallest: "Members of a group, at least",
  prefix: "Ids of unknown persons begin with",
  merge: "Merge each group into one person",
  crops: "Kept pictures go along",
  create: "Make the collection where it is missing",
  on_conflict: "Persons who are there already",
  days: "Older than so many days",
  by: "Counted by",
  remove_empty: "Delete persons who have no face left",
  dry_run: "A rehearsal: delete nothing",
  of: "Compared are",
  rows: "Templates compared at most",
  seed: "Seed of the sample",
  to: "To the model",
  drop_missing: "Switch without the faces that cannot be brought over",
  switch: "Switch when it is whole",
  discard_previous: "Remove an older previous form to make room",
  form: "Form",
  quality: "Faces that are hardly fit",
  faces: "Photos of several people",
};

const CHOICES = {
  quality: { auto: "are refused with reasons", none: "are taken, too" },
  faces: { one: "are refused", largest: "count by their largest face" },
  on_conflict: { skip: "stay as they are", merge: "get the faces they lack", fail: "make their part refused" },
  by: { face: "when the face was enrolled", person: "when the person was changed last" },
  of: { faces: "single faces", means: "one mean a person" },
  form: { next: "next: what a change of model has made so far", previous: "previous: what could be gone back to" },
};

const GRAVE = {
  purge: ({ dry_run }) => (dry_run ? "" : "What is older is deleted, for good. A rehearsal would only count it."),
  discard: () => "The form is removed, for good.",
  cluster: ({ merge }) => (merge ? "The persons of each group become one, and cannot be told apart again." : ""),
};

export const ACTIVE = new Set(["open", "waiting", "running"]);

export const title = (kind) => KINDS[kind]?.[0] ?? kind;

export const does = (kind) => KINDS[kind]?.[1] ?? "";

export const state = (code) => STATES[code] ?? code;

export const option = (name) => OPTIONS[name] ?? name.replaceAll("_", " ");

export const choiceOf = (name, value) => CHOICES[name]?.[value] ?? value;

/** What cannot be undone of such a job; "" where all can. */
export const grave = (kind, options) => GRAVE[kind]?.(options) ?? "";

export const settled = (job) => job.done + job.rejected + job.failed;

/** "40 of 200", or "40 so far" while items are still being listed. */
export function progress(job) {
  if (!job.items) return "";
  const done = words.plain(settled(job));
  return job.listed ? `${done} of ${words.plain(job.items)}` : `${done} so far`;
}

/** How fast a job is on average, and how long it needs at that rate. */
export function speed(job) {
  if (job.items_per_second === null) return "";
  const rate = `${job.items_per_second.toLocaleString("en", { maximumSignificantDigits: 3 })} a second`;
  return job.seconds_left ? `${rate}, ${words.duration(job.seconds_left)} left` : rate;
}

/** What a job could not take: "2 rejected, 1 failed". */
export function refused({ rejected, failed }) {
  const told = [
    [rejected, "rejected"],
    [failed, "failed"],
  ];
  return told
    .filter(([number]) => number)
    .map(([number, word]) => `${words.plain(number)} ${word}`)
    .join(", ");
}
