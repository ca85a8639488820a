// One job: how far it is, what it came to, its items and findings, and what can be done with it. Follows it at work.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { button } from "/assets/shell/action.js";
import { confirmed } from "/assets/controls/confirm.js";
import { element } from "/assets/controls/element.js";
import { follow } from "/assets/shell/follow.js";
import { save } from "/assets/controls/hand_over.js";
import { findingsPart, itemsPart } from "/assets/jobs/job_items.js";
import { progressBar, stateOf } from "/assets/jobs/job_parts.js";
import * as told from "/assets/jobs/job_words.js";
import { say } from "/assets/shell/shell.js";
import { fact, facts } from "/assets/controls/values.js";
import * as words from "/assets/shell/words.js";

const PAUSE_MS = 700;
const SHOWN_ELSEWHERE = { dedup: ["/duplicates", "Look at them on the page Duplicates"], cluster: ["/unknowns", "Look at them on the page Unknowns"] };

/** The view of job `id`; `page` has go(values, told). */
export async function jobView(page, id) {
  const view = new JobView(page, await api.job(id));
  view.watch();
  return { title: told.title(view.job.kind), root: view.root, close: () => view.close() };
}

class JobView {
  constructor(page, job) {
    this.page = page;
    this.close = () => {};
    this.head = element("div", { id: "job-head" });
    this.actions = element("div", { class: "row tools", id: "job-actions" });
    this.outcome = element("div", { id: "job-outcome" });
    this.items = itemsPart(job.id);
    this.findings = findingsPart(job.id);
    this.root = element("div", {}, this.head, this.actions, this.outcome, this.items.root, this.findings.root);
    this.show(job);
  }

  /** Looks at the job until it has ended. */
  watch() {
    this.close();
    if (told.ACTIVE.has(this.job.state)) this.close = follow(() => this.look(), PAUSE_MS);
  }

  async look() {
    const { state } = this.job;
    this.show(await api.job(this.job.id));
    if (this.job.state !== state) await this.settled();
    return told.ACTIVE.has(this.job.state);
  }

  /** What an open list of items or findings shows is of a moment before. */
  async settled() {
    say(`${told.title(this.job.kind)}: ${told.state(this.job.state)}.`);
    await Promise.all([this.items.again(), this.findings.again()]);
  }

  show(job) {
    const before = this.job;
    this.job = job;
    this.head.replaceChildren(...head(job));
    if (before?.state === job.state && before.failed === job.failed) return;
    this.actions.replaceChildren(...this.offered(job));
    this.outcome.replaceChildren(...outcome(job));
  }

  /** What the job's state lets be done. Whether the key may is the service's to say. */
  offered(job) {
    const active = told.ACTIVE.has(job.state);
    const again = ["failed", "cancelled"].includes(job.state) || (job.state === "done" && job.failed > 0);
    return [
      job.state === "done" && job.result.file ? button("Fetch the file", () => this.fetch(), { class: "strong" }) : null,
      job.state === "open" ? button("End the uploads", () => this.change(api.startJob, "Nothing more is uploaded.")) : null,
      again ? button("Resume", () => this.change(api.resumeJob, "The job goes on.")) : null,
      active ? button("Cancel", () => this.cancel()) : null,
      active ? null : button("Delete the record", () => this.remove(), { class: "danger" }),
    ].filter(Boolean);
  }

  async change(ask, done) {
    this.show(await ask(this.job.id));
    await this.settled();
    say(done, true);
    this.watch();
    this.actions.querySelector("button")?.focus();
  }

  async cancel() {
    const sure = await confirmed({
      title: "Cancel the job?",
      told: "What is done stays done. The job can be resumed.",
      action: "Cancel the job",
    });
    if (sure) await this.change(api.cancelJob, "The job is cancelled.");
  }

  async remove() {
    const sure = await confirmed({
      title: "Delete the record?",
      told: "Items, findings and the file of the job are gone then. What the job did to the collection stays.",
      action: "Delete the record",
    });
    if (!sure) return;
    await api.deleteJob(this.job.id);
    await this.page.go({}, "The record of the job is deleted.");
  }

  async fetch() {
    save(await api.jobFile(this.job.id), `${this.job.collection ?? this.job.kind}-${this.job.created_at.slice(0, 10)}.jsonl`);
    say("The file is among the browser's downloads. It holds templates of faces: keep it where nobody else reads.", true);
  }
}

function head(job) {
  const line = element("p", { class: "job-state" }, stateOf(job), ...[progressBar(job)].flat());
  const known = {
    Collection: job.collection,
    Refused: told.refused(job),
    Rate: told.speed(job),
    Made: `${words.moment(job.created_at)} by ${job.owner}`,
    Begun: job.started_at && words.moment(job.started_at),
    Ended: job.ended_at && words.moment(job.ended_at),
    Id: job.id,
  };
  const rows = Object.entries(known).filter(([, value]) => value);
  const message = job.message ? element("p", { class: "alert", id: "job-message" }, job.message) : "";
  return [line, message, element("dl", { class: "values" }, ...rows.map(([name, value]) => fact(name, value)))];
}

function outcome(job) {
  const parts = [];
  const [page, text] = SHOWN_ELSEWHERE[job.kind] ?? [];
  if (page && job.state === "done") {
    parts.push(element("p", {}, element("a", { href: page + address.hash({ collection: job.collection }) }, text)));
  }
  if (Object.keys(job.result).length) parts.push(element("h2", {}, "Result"), facts(job.result, { id: "job-result" }));
  const given = Object.entries(job.options).filter(([, value]) => value !== null);
  if (given.length) {
    const words = Object.fromEntries(given.map(([name, value]) => [name, told.choiceOf(name, value)]));
    parts.push(element("h2", {}, "Asked for"), facts(words, { id: "job-options" }, told.option));
  }
  return parts;
}
