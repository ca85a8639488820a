// Is this person on the photo? Compares the largest face of a photo with one enrolled person. Stores nothing.

import * as api from "/assets/shell/api.js";
import { decision } from "/assets/identify/decision.js";
import { element } from "/assets/controls/element.js";
import { PhotoSlot } from "/assets/photo/photo.js";
import { calm, say, trouble } from "/assets/shell/shell.js";

export class PersonCheck {
  constructor(collection, id, name) {
    Object.assign(this, { collection, id, name });
    this.place = element("div", { class: "slot", id: "check-photo", "data-label": "Photo to check" });
    this.told = element("div", { class: "decision", id: "check-decision", role: "region", "aria-label": "Decision" });
    this.root = element("div", {}, this.place, this.told);
    this.slot = new PhotoSlot(this.place, { onPhoto: (photo) => this.check(photo), onTrouble: trouble });
  }

  close() {
    this.slot.closeCamera();
  }

  async check(photo) {
    calm();
    this.told.replaceChildren(element("p", { class: "quiet empty" }, "Comparing…"));
    try {
      const answer = await api.verifyPerson(this.collection, this.id, photo);
      await this.slot.ready;
      if (this.slot.photo !== photo) return;
      this.slot.mark([answer.face]);
      const [yes, no] = [`This is ${this.name}`, `Not shown to be ${this.name}`];
      this.told.replaceChildren(...decision(answer, yes, no));
      say(answer.match ? yes : no);
    } catch (error) {
      if (this.slot.photo !== photo) return;
      this.told.replaceChildren(element("p", { class: "quiet empty" }, "No decision."));
      trouble(error);
    }
  }
}
