// Chooses many photos and whom each shows: a folder with a sub-folder a person, or photos of one person. Sends nothing.

import { element } from "/assets/controls/element.js";
import { field, textField } from "/assets/controls/fields.js";
import * as words from "/assets/shell/words.js";

const PHOTO = /\.(jpe?g|png|webp|bmp|pgm)$/i;
const TOLD = 12; // persons named one by one

export class PhotoFolder {
  /** `most` bytes of a photo are read by the service. */
  constructor({ max_image_bytes: most }) {
    this.most = most;
    this.found = new Map();
    this.left = [];
    this.folder = this.input("Folder of photos", { webkitdirectory: "" }, (file) => placeOf(file.webkitRelativePath));
    this.photos = this.input("Photos of one person", { accept: "image/jpeg,image/png,image/webp,image/bmp,.pgm" }, (file) =>
      this.placeByPerson(file),
    );
    this.person = textField("upload-person", "", { maxlength: "255" });
    this.told = element("p", { class: "quiet", id: "upload-told", role: "status" });
    this.list = element("ul", { class: "quiet persons-told" });
    this.root = element(
      "div",
      { class: "upload", role: "group", "aria-label": "Photos to upload" },
      element("h3", {}, "A folder"),
      element("p", { class: "quiet" }, "A sub-folder for each person, named by the person's id; or PERSON.jpg beside them."),
      element("div", { class: "row tools" }, this.opener("Choose a folder", this.folder), this.folder),
      element("h3", {}, "Or photos of one person"),
      field("Person id", this.person, "Your own: anything but a slash."),
      element("div", { class: "row tools" }, this.opener("Choose photos", this.photos), this.photos),
      this.told,
      this.list,
    );
    this.tell();
  }

  input(label, attributes, place) {
    const input = element("input", {
      type: "file",
      multiple: "",
      class: "hidden",
      tabindex: "-1",
      "aria-label": label,
      ...attributes,
    });
    input.addEventListener("change", () => {
      for (const file of input.files) this.take(file, place(file));
      input.value = "";
      this.tell();
    });
    return input;
  }

  opener(told, input) {
    const made = element("button", { type: "button" }, told);
    made.addEventListener("click", () => {
      if (input === this.photos && !this.person.value.trim()) {
        this.person.setCustomValidity("First say whom the photos show.");
        this.person.reportValidity();
        this.person.setCustomValidity("");
      } else {
        input.click();
      }
    });
    return made;
  }

  placeByPerson(file) {
    const person = this.person.value.trim();
    return { person, item: `${person}/${file.name}` };
  }

  take(file, place) {
    if (!place || !PHOTO.test(file.name)) {
      this.left.push("no photo of a person");
    } else if (file.size > this.most) {
      this.left.push(`larger than ${words.bytes(this.most)}`);
    } else {
      this.found.set(place.item, { ...place, file });
    }
  }

  tell() {
    const persons = Map.groupBy(this.found.values(), (entry) => entry.person);
    const chosen = `${words.count(this.found.size, "photo")} of ${words.count(persons.size, "person", "persons")}.`;
    const left = [...Map.groupBy(this.left, (why) => why)].map(
      ([why, all]) => `${words.count(all.length, "file is", "files are")} left out: ${why}.`,
    );
    this.told.textContent = [this.found.size || this.left.length ? chosen : "Nothing is chosen yet.", ...left].join(" ");
    const rows = [...persons].slice(0, TOLD).map(([person, all]) => `${person}: ${words.count(all.length, "photo")}`);
    if (persons.size > TOLD) rows.push(`and ${words.count(persons.size - TOLD, "person", "persons")} more`);
    this.list.replaceChildren(...rows.map((row) => element("li", {}, row)));
  }

  /** What is to be uploaded: [{item, person, file}]. Throws an Error where there is nothing. */
  async entries() {
    if (!this.found.size) throw new Error("Choose a folder or photos first.");
    return [...this.found.values()];
  }
}

/** FOLDER/PERSON/…/PHOTO or FOLDER/PERSON.jpg. */
function placeOf(path) {
  const [, ...parts] = path.split("/");
  if (!parts.length) return null;
  const person = parts.length > 1 ? parts[0] : parts[0].replace(/\.[^.]+$/, "");
  return person ? { person, item: parts.join("/") } : null;
}
