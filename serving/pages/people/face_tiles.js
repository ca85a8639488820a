// The enrolled faces of one person as tiles: picture, quality, when; each can be deleted.

import * as api from "/assets/shell/api.js";
import { button } from "/assets/shell/action.js";
import { confirmed } from "/assets/controls/confirm.js";
import { element } from "/assets/controls/element.js";
import { say } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

export class FaceTiles {
  /** `onDeleted()` is awaited after a face was deleted. */
  constructor(crops, person, onDeleted) {
    Object.assign(this, { crops, person, onDeleted });
    this.collection = crops.collection.id;
    this.list = element("ul", { class: "tiles", id: "tiles" });
    this.none = element("p", { class: "quiet empty" }, "No face is enrolled.");
    this.more = button("More faces", () => this.next());
    this.root = element("div", {}, this.none, this.list, element("div", { class: "row tools" }, this.more));
  }

  /** Reads from the first face on. */
  async read() {
    const page = await api.faces(this.collection, this.person);
    this.list.replaceChildren();
    this.show(page);
  }

  async next() {
    this.show(await api.faces(this.collection, this.person, this.cursor));
  }

  show(page) {
    this.cursor = page.next;
    this.more.hidden = !page.next;
    for (const face of page.items) this.list.append(this.tile(face, this.list.children.length + 1));
    this.none.hidden = this.list.children.length > 0;
  }

  tile(face, number) {
    const label = `Face ${number}`;
    const remove = button("Delete", () => this.remove(face, label), { class: "plain", "aria-label": `Delete ${label.toLowerCase()}` });
    return element(
      "li",
      { class: "tile", "data-face": face.id },
      this.crops.picture(this.person, face.id, label),
      element("p", {}, `Quality ${face.quality.toFixed(2)}`),
      element("p", { class: "quiet" }, details(face)),
      remove,
    );
  }

  async remove(face, label) {
    const sure = await confirmed({
      title: `Delete ${label.toLowerCase()}?`,
      told: "The template of the person is made anew from the faces that are left.",
      action: "Delete the face",
    });
    if (!sure) return;
    await api.deleteFace(this.collection, this.person, face.id);
    await Promise.all([this.read(), this.onDeleted()]);
    say(`${label} is deleted.`, true);
  }
}

function details({ detail, created_at: when }) {
  const size = detail.quality?.face_size;
  return `${size ? `${Math.round(size)} px, ` : ""}${words.day(when)}`;
}
