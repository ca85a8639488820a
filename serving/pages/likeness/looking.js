// What the pages of a job's findings share: choose a collection, run the job, show what it found, some at a time.

import { act, onSubmit } from "/assets/shell/action.js";
import * as api from "/assets/shell/api.js";
import { CollectionChoice } from "/assets/likeness/collection_choice.js";
import { Crops } from "/assets/photo/crops.js";
import { element, find } from "/assets/controls/element.js";
import { allFindings, finished, newest, progress } from "/assets/likeness/job_run.js";
import { Likeness } from "/assets/likeness/likeness.js";
import { say } from "/assets/shell/shell.js";

const AT_ONCE = 10;

export class Looking {
  /**
   * `kind` of job; `options()` beside the likeness; `suits(job)` whether an earlier job is one of this page;
   * `entries(findings, collection)` what is shown, in order; `card(entry, crops, pack)` its element, or null where it is
   * no more; `summary(job, entries)` and `never`, in words.
   */
  constructor({ kind, options, suits, entries, card, summary, never }) {
    Object.assign(this, { kind, options, suits, entries, card, summary, never });
    this.likeness = new Likeness();
    this.choice = new CollectionChoice(() => this.showNewest());
    this.found = find("#found");
    this.told = find("#progress");
    this.more = find("#more");
    this.models = [];
    this.begin();
    this.more.addEventListener("click", () => act(this.more, () => this.showMore(this.asking.signal)));
    onSubmit(find("#look-form"), () => this.look());
  }

  /** What the service is; shows what was found last. */
  async connect({ models }) {
    this.models = models;
    await this.choice.refresh();
    const shown = this.showNewest();
    find("#look-form button").disabled = !this.choice.value;
    await shown;
  }

  /** Forgets what is shown; whatever is still asked for is let go. */
  begin() {
    this.asking?.abort();
    this.asking = new AbortController();
    this.waiting = [];
    this.found.replaceChildren();
    this.more.hidden = true;
    this.told.textContent = "";
    return this.asking.signal;
  }

  async showNewest() {
    const signal = this.begin();
    const collection = this.choice.value;
    if (!collection) {
      this.told.textContent = "There is no collection yet; the page People makes one.";
      return;
    }
    this.likeness.offer(this.packOf(collection)?.calibration !== null);
    const job = await newest(collection.id, this.kind, this.suits);
    if (signal.aborted) return;
    if (job) await this.show(job, signal);
    else this.told.textContent = this.never;
  }

  async look() {
    const signal = this.begin();
    const collection = this.choice.value;
    const made = await api.makeJob(this.kind, collection.id, { ...this.likeness.options(), ...this.options() });
    await this.follow(made, signal);
  }

  /** Waits for the job `made` and shows what it found. */
  async follow(made, signal) {
    try {
      const job = await finished(made, (now) => (this.told.textContent = progress(now)), signal);
      await this.show(job, signal);
      say(this.told.textContent);
    } catch (error) {
      if (!signal.aborted) this.told.textContent = "";
      throw error;
    }
  }

  async show(job, signal) {
    const findings = await allFindings(job.id);
    if (signal.aborted) return;
    this.crops = new Crops(this.choice.value);
    this.waiting = this.entries(findings, this.choice.value);
    this.told.textContent = this.summary(job, this.waiting);
    await this.showMore(signal);
  }

  /** The next entries; those that are no more are passed over. */
  async showMore(signal) {
    for (let shown = 0; shown < AT_ONCE && this.waiting.length; ) {
      const card = await this.card(this.waiting.shift(), this.crops, this.packOf(this.crops.collection));
      if (signal.aborted) return;
      if (!card) continue;
      this.found.append(card);
      shown++;
    }
    this.more.hidden = !this.waiting.length;
    this.sayIfNone();
  }

  /** A card that was dealt with goes, and the next one is at hand. */
  settle(card) {
    card.remove();
    this.sayIfNone();
    (find("article button, article input", this.found) ?? find("#look-form button")).focus();
  }

  sayIfNone() {
    if (!this.found.children.length && !this.waiting.length) {
      this.found.append(element("p", { class: "empty" }, "Nothing is left to look at."));
    }
  }

  packOf(collection) {
    return this.models.find((pack) => pack.contract_id === collection.contract_id);
  }
}
