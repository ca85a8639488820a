// The form of a new job: which kind, of which collection, its options from the kind's own schema, and what is uploaded.

import * as api from "/assets/shell/api.js";
import { onSubmit } from "/assets/shell/action.js";
import { confirmed } from "/assets/controls/confirm.js";
import { element } from "/assets/controls/element.js";
import { ExportFile } from "/assets/jobs/export_file.js";
import { choice, field, submit, textField } from "/assets/controls/fields.js";
import { upload } from "/assets/jobs/job_upload.js";
import * as told from "/assets/jobs/job_words.js";
import { OptionFields } from "/assets/jobs/option_fields.js";
import { PhotoFolder } from "/assets/jobs/photo_folder.js";
import * as words from "/assets/shell/words.js";

const UPLOADS = { enroll: PhotoFolder, import: ExportFile };
const WITHOUT = { enroll: ["contract"], cluster: ["quality", "enroll"] }; // of templates, and of photos

/** The view of a new job; `asked` is {new: kind, collection}, `page` has system, models and go(values, told). */
export async function jobForm(page, asked) {
  const [{ items }, collections] = await Promise.all([api.jobKinds(), api.collections()]);
  const form = new JobForm(page, items.filter(({ kind, uploads }) => !uploads || UPLOADS[kind]), collections);
  form.choose(asked.new, asked.collection);
  return { title: "Start a job", root: form.root, close: () => form.asking.abort() };
}

class JobForm {
  constructor(page, kinds, collections) {
    Object.assign(this, { page, kinds, collections });
    this.asking = new AbortController();
    this.kind = choice("job-kind", kinds.map(({ kind }) => [kind, told.title(kind)]));
    this.does = element("p", { class: "quiet", id: "job-does" });
    this.fields = element("div", {});
    this.sent = element("progress", { hidden: "", "aria-label": "Uploaded" });
    this.note = element("p", { class: "quiet", role: "status" });
    this.root = element(
      "form",
      { id: "job-form", class: "narrow", autocomplete: "off" },
      field("What to do", this.kind),
      this.does,
      this.fields,
      element("div", { class: "row" }, submit("Start")),
      this.sent,
      this.note,
    );
    this.kind.setAttribute("aria-describedby", "job-does");
    this.kind.addEventListener("change", () => this.show(this.collection.value));
    onSubmit(this.root, () => this.start());
  }

  choose(kind, collection) {
    if (this.kinds.some((one) => one.kind === kind)) this.kind.value = kind;
    this.show(collection);
  }

  /** The fields of the kind that is chosen. */
  show(collection) {
    const kind = this.kinds.find((one) => one.kind === this.kind.value);
    this.does.textContent = `${told.does(kind.kind)} Needs a key of the scope ${kind.scope}.`;
    this.collection = kind.needs_collection ? this.choice(collection) : textField("job-collection", "", { maxlength: "255" });
    this.options = new OptionFields(kind.options, {
      label: told.option,
      word: told.choiceOf,
      choices: { to: this.page.models.map(({ contract_id, name }) => [contract_id, name]) },
      without: WITHOUT[kind.kind],
    });
    const Uploads = kind.uploads ? UPLOADS[kind.kind] : null;
    this.upload = Uploads && new Uploads(this.page.system);
    this.fields.replaceChildren(this.where(kind), ...(this.upload ? [this.upload.root] : []), this.options.root);
  }

  where(kind) {
    return field("Collection", this.collection, kind.needs_collection ? "" : "Left empty, it is the one that the file names.");
  }

  choice(wanted) {
    const pairs = this.collections.map(({ id, persons }) => [id, `${id} (${words.count(persons, "person", "persons")})`]);
    const select = choice("job-collection", pairs.length ? pairs : [["", "there is none yet"]]);
    if (pairs.some(([id]) => id === wanted)) select.value = wanted;
    return select;
  }

  async start() {
    const collection = this.collection.value.trim() || null;
    const kind = this.kind.value;
    const options = this.options.values();
    const entries = this.upload ? await this.upload.entries() : null;
    if (!(await agreed(kind, options, collection))) return;
    const job = await api.makeJob(kind, collection, options, entries !== null);
    try {
      if (entries) await this.send(job, entries);
    } catch (error) {
      if (error.name === "AbortError") return;
      throw new Error(`The job is open, and not all was uploaded: ${error.message}`);
    }
    if (!this.asking.signal.aborted) await this.page.go({ job: job.id }, "The job is made; it goes on when this page is closed.");
  }

  /** Leaving the page ends the uploads; the job stays open, to be ended or cancelled where it is shown. */
  async send(job, entries) {
    const { max_images: most, max_image_bytes: bytes } = this.page.system;
    this.sent.hidden = false;
    this.sent.max = entries.length;
    const onProgress = (sent, note) => {
      this.sent.value = sent;
      this.note.textContent = note || `Uploaded: ${sent} of ${words.plain(entries.length)}.`;
    };
    onProgress(0, "");
    await upload(job, entries, { most, bytes, onProgress, signal: this.asking.signal });
  }
}

/** Whether the person agrees to what cannot be undone. */
function agreed(kind, options, collection) {
  const grave = told.grave(kind, options);
  if (!grave) return true;
  return confirmed({ title: `${told.title(kind)} of ${collection}?`, told: grave, action: "Start it" });
}
