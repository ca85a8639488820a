// "The same person?": compares the largest faces of two photos. Stores and enrols nothing.

import * as api from "/assets/shell/api.js";
import { decision } from "/assets/identify/decision.js";
import { element, find } from "/assets/controls/element.js";
import { PhotoSlot } from "/assets/photo/photo.js";
import * as words from "/assets/shell/words.js";

export class Verify {
  constructor(page) {
    this.page = page;
    const events = { onPhoto: () => this.compare(), onTrouble: (told) => page.trouble(told) };
    this.slots = [new PhotoSlot(find("#photo-a"), events), new PhotoSlot(find("#photo-b"), events)];
    this.decision = find("#decision");
  }

  /** Compares as soon as there are two photos. */
  async compare() {
    this.asking?.abort();
    this.page.calm();
    const [a, b] = this.slots.map((slot) => slot.photo);
    if (!a || !b) {
      this.decision.replaceChildren(element("p", { class: "quiet empty" }, "One more photo."));
      return;
    }
    this.decision.replaceChildren(element("p", { class: "quiet empty" }, "Comparing…"));
    const asking = (this.asking = new AbortController());
    try {
      const answer = await api.verify(a, b, this.page.limit(), asking.signal);
      await Promise.all(this.slots.map((slot) => slot.ready));
      if (!asking.signal.aborted) this.show(answer);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.decision.replaceChildren(element("p", { class: "quiet empty" }, "No decision."));
      this.page.trouble(error);
    }
  }

  show(answer) {
    const [yes, no] = ["The same person", "Not shown to be the same person"];
    this.decision.replaceChildren(...decision(answer, yes, no));
    this.page.say(`${answer.match ? yes : no}. Cosine ${words.cosine(answer.cosine)}.`);
    [answer.face_a, answer.face_b].forEach((face, index) => this.slots[index].mark([face]));
  }
}
