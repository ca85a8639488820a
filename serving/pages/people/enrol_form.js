// Enrols several photos of one person and says of each that was refused why. Where the photos come from is the tray's.

import { onSubmit } from "/assets/shell/action.js";
import * as api from "/assets/shell/api.js";
import { element } from "/assets/controls/element.js";
import { field, submit, textField, tick } from "/assets/controls/fields.js";
import { PhotoTray } from "/assets/photo/photo_tray.js";
import { say } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

const TOLD = 5; // refused photos that the line of the status names; each one's note stands beside it anyway

export class EnrolForm {
  /**
   * `person` is the id of who is there, or null for a new person, whose id and name are asked for. `most` is how many
   * photos the service takes at once. `onEnrolled(person)` is awaited when at least one photo was enrolled.
   */
  constructor({ collection, person, most, onEnrolled }) {
    Object.assign(this, { collection, person, most, onEnrolled });
    this.tray = new PhotoTray("enrol-photos", person === null ? "Photos of the new person" : "Photos to enrol");
    this.id = textField("new-person", "", { required: "", maxlength: "255" });
    this.name = textField("new-name", "", { maxlength: "1024" });
    const [several, severalRow] = tick("enrol-largest", "Of several faces on a photo, take the largest");
    const [unfit, unfitRow] = tick("enrol-unfit", "Take photos that are hardly fit, too");
    Object.assign(this, { several, unfit });
    const options = element("details", { class: "more" }, element("summary", {}, "Options"), severalRow, unfitRow);
    this.root = element("form", { id: "enrol-form", autocomplete: "off" });
    if (person === null) {
      this.root.append(
        field("Person id", this.id, "Your own: anything but a slash; it stays."),
        field("Name, if another than the id", this.name),
      );
    }
    this.root.append(this.tray.root, options, element("div", { class: "row" }, submit("Enrol")));
    onSubmit(this.root, () => this.enrol());
  }

  close() {
    this.tray.closeCamera();
  }

  async enrol() {
    const files = this.tray.files;
    if (!files.length) throw new Error("Choose or take a photo first.");
    this.tray.closeCamera();
    const person = this.person ?? this.id.value.trim();
    const { enrolled, notes } = await this.send(person, files);
    this.tray.settle(enrolled, notes);
    const told = this.told(person, enrolled.length, notes);
    if (!enrolled.length) throw new Error(told);
    await this.onEnrolled(person);
    say(told, true);
  }

  /** Sends as many at a time as the service takes. Returns the files that are enrolled, and a Map of what is wrong. */
  async send(person, files) {
    const enrolled = [];
    const notes = new Map();
    for (let start = 0; start < files.length; start += this.most) {
      const part = files.slice(start, start + this.most);
      const answer = await this.ask(person, part);
      enrolled.push(...answer.enrolled.map((item) => part[item.index]));
      for (const item of answer.rejected) notes.set(part[item.index], refusal(item));
    }
    return { enrolled, notes };
  }

  async ask(person, photos) {
    const options = {
      faces: this.several.checked ? "largest" : "one",
      quality: this.unfit.checked ? "none" : "auto",
      ...(this.person === null ? { create: "true", name: this.name.value.trim() } : {}),
    };
    try {
      return await api.enrol(this.collection, person, photos, options);
    } catch (error) {
      // None of them was taken: told photo by photo like those of a call that took some.
      if (error.details?.rejected) return { enrolled: [], rejected: error.details.rejected };
      throw error;
    }
  }

  told(person, enrolled, notes) {
    const taken = enrolled ? `${words.count(enrolled, "photo")} enrolled as ${person} in ${this.collection}.` : "No photo was enrolled.";
    const refused = [...notes].slice(0, TOLD).map(([file, note]) => `${file.name}: ${note}`);
    if (notes.size > TOLD) refused.push(`So are ${notes.size - TOLD} others.`);
    return [taken, ...refused].join(" ");
  }
}

function refusal({ reasons, message }) {
  return reasons.length ? `refused, ${reasons.map(words.reason).join(", ")}.` : message;
}
