// The list of jobs, newest first, and how far each is. Follows those at work; changes none.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { element } from "/assets/controls/element.js";
import { choice, field } from "/assets/controls/fields.js";
import { follow } from "/assets/shell/follow.js";
import { progressBar, stateOf } from "/assets/jobs/job_parts.js";
import * as told from "/assets/jobs/job_words.js";
import { Pager } from "/assets/controls/pager.js";
import { trouble } from "/assets/shell/shell.js";
import { fill, Table } from "/assets/controls/table.js";
import * as words from "/assets/shell/words.js";

const COLUMNS = ["Job", "Collection", "State", "Progress", "Rate", "Refused", "Made"];
const PAUSE_MS = 1000;
const STATES = ["open", "waiting", "running", "done", "failed", "cancelled"];

/** The view of all jobs that `asked`, {collection, state}, lets through; `page` has go(values). */
export async function jobList(page, asked) {
  const collections = await api.collections();
  const list = new JobList(asked);
  const choose = (name, label, options) => {
    const select = choice(`jobs-${name}`, [["", "all"], ...options], asked[name] ?? "");
    select.addEventListener("change", () => page.go({ ...asked, [name]: select.value }).catch(trouble));
    return field(label, select);
  };
  const names = collections.map(({ id }) => id);
  if (asked.collection && !names.includes(asked.collection)) names.push(asked.collection);
  const bar = element(
    "div",
    { class: "asking" },
    choose("collection", "Collection", names.map((id) => [id, id])),
    choose("state", "State", STATES.map((code) => [code, told.state(code)])),
    element("a", { class: "button strong", href: address.hash({ new: "any", collection: asked.collection }) }, "Start a job"),
  );
  const root = element("div", {}, bar, list.table.root, list.pager.root);
  await list.pager.begin();
  list.watch();
  return { title: "Jobs", root, close: () => list.close() };
}

class JobList {
  constructor({ collection, state }) {
    this.query = { ...(collection ? { collection } : {}), ...(state ? { state } : {}) };
    this.rows = new Map();
    this.table = new Table("Jobs", COLUMNS, { id: "job-list" });
    this.pager = new Pager({
      read: (cursor) => api.jobs(this.query, cursor),
      show: (jobs) => this.append(jobs),
      none: "There is no such job yet.",
    });
    this.close = () => {};
  }

  append(jobs) {
    for (const job of jobs.filter(({ id }) => !this.rows.has(id))) this.table.body.append(this.row(job));
  }

  row(job) {
    const row = this.table.row(cells(job), { "data-job": job.id });
    this.rows.set(job.id, { row, job });
    return row;
  }

  /** Looks at the jobs for as long as one of them is at work. */
  watch() {
    if (this.active().length) this.close = follow(() => this.look(), PAUSE_MS);
  }

  active() {
    return [...this.rows.values()].map(({ job }) => job).filter(({ state }) => told.ACTIVE.has(state));
  }

  async look() {
    const { items } = await api.jobs(this.query);
    const seen = new Set(items.map(({ id }) => id));
    const elsewhere = this.active().filter(({ id }) => !seen.has(id));
    for (const { id } of elsewhere) await this.lookAt(id);
    for (const job of items.toReversed()) this.update(job);
    return this.active().length > 0;
  }

  /** Of a job that has left the first page, or the state that is asked for. */
  async lookAt(id) {
    try {
      this.update(await api.job(id));
    } catch (error) {
      if (error.code !== "unknown_job") throw error;
      this.rows.get(id).row.remove();
      this.rows.delete(id);
    }
  }

  update(job) {
    const known = this.rows.get(job.id);
    if (!known) {
      this.table.body.prepend(this.row(job));
      return;
    }
    known.job = job;
    // The first cell, whose link may have the focus, stays as it is.
    cells(job).forEach((cell, at) => at && fill(known.row.cells[at], cell));
  }
}

const cells = (job) => [
  element("a", { href: address.hash({ job: job.id }) }, told.title(job.kind)),
  job.collection ?? "",
  stateOf(job),
  progressBar(job),
  told.speed(job),
  told.refused(job),
  words.moment(job.created_at),
];
