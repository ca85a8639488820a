// "Who is it?": finds the faces of one photo, asks the chosen collection about them, enrols one of them.

import * as api from "/assets/shell/api.js";
import { element, find } from "/assets/controls/element.js";
import { cards } from "/assets/identify/faces.js";
import { PhotoSlot, cut } from "/assets/photo/photo.js";
import * as words from "/assets/shell/words.js";

export class Identify {
  /** `page` has say(words), trouble(error), calm(), limit() and collection(): what the whole page shares. */
  constructor(page) {
    this.page = page;
    this.slot = new PhotoSlot(find("#photo"), { onPhoto: () => this.look(), onTrouble: (told) => page.trouble(told) });
    this.list = find("#faces");
    this.form = find("#enrol");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.enrol();
    });
    this.forget();
  }

  forget() {
    this.asking?.abort();
    this.seen = null;
    this.answers = [];
    this.search = null;
    this.chosen = 0;
  }

  /** A new photo: faces first, then who they are. */
  async look() {
    this.forget();
    this.page.calm();
    this.list.replaceChildren(element("p", { class: "quiet empty" }, "Looking…"));
    this.form.hidden = true;
    const asking = (this.asking = new AbortController());
    await this.during(asking, async () => {
      const seen = await api.detect(this.slot.photo, asking.signal);
      await this.slot.ready;
      if (asking.signal.aborted) return;
      this.seen = seen;
      this.show();
      await this.identify(asking);
    });
  }

  /** The same photo, asked again: another collection or strictness. */
  async again() {
    if (!this.seen) return;
    this.asking?.abort();
    this.page.calm();
    this.answers = [];
    this.search = null;
    const asking = (this.asking = new AbortController());
    await this.during(asking, () => this.identify(asking));
  }

  async identify(asking) {
    const collection = this.page.collection();
    if (collection && this.seen.faces.length) {
      const answer = await api.identify(collection, this.slot.photo, this.page.limit(), asking.signal);
      if (asking.signal.aborted) return;
      this.answers = this.seen.faces.map((face) => nearest(face, answer.faces));
      this.search = { collection, gallery_size: answer.gallery_size, threshold: answer.threshold };
    }
    this.show();
    this.page.say(this.summary());
  }

  async during(asking, work) {
    this.list.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!this.seen) this.list.replaceChildren(element("p", { class: "quiet empty" }, "No answer for this photo."));
      this.page.trouble(error);
    } finally {
      if (asking === this.asking) this.list.setAttribute("aria-busy", "false");
    }
  }

  show() {
    const { faces, image } = this.seen;
    this.slot.mark(faces, image, faces.length > 1 ? this.chosen : -1);
    if (!faces.length) {
      this.list.replaceChildren(element("p", { class: "name unknown" }, "No face"), element("p", {}, "No face was found on this photo."));
    } else {
      this.list.replaceChildren(...cards(faces, this.answers, this.search, this.chosen, (index) => this.choose(index)));
    }
    this.showForm();
  }

  showForm() {
    const collection = this.page.collection();
    this.form.hidden = !(collection && this.seen?.faces.length);
    const which = this.seen?.faces.length > 1 ? `Face ${this.chosen + 1}` : "The face";
    find("#enrol-hint").textContent = `${which} is added to this person in ${collection}; the photo is not kept.`;
  }

  choose(index) {
    this.chosen = index;
    this.show();
    find(`#face-${index}`).focus();
  }

  async enrol() {
    const person = find("#person").value.trim();
    const collection = this.page.collection();
    this.page.calm();
    const button = find("button", this.form);
    button.disabled = true;
    try {
      // The largest face is meant by the whole photo; any other one is cut out, and must be alone there.
      const whole = this.chosen === 0;
      const photo = whole ? this.slot.photo : await cut(this.slot.photo, this.seen.faces[this.chosen].box);
      await api.enrol(collection, person, photo, { create: true, faces: whole ? "largest" : "one" });
      await this.page.refresh();
      await this.again();
      this.page.say(`Enrolled as ${person} in ${collection}.`, true);
    } catch (error) {
      this.page.trouble(error);
    } finally {
      button.disabled = false;
    }
  }

  summary() {
    const { faces } = this.seen;
    if (!faces.length) return "No face was found on this photo.";
    const found = `${words.count(faces.length, "face")} found.`;
    if (!this.search) return found;
    const who = this.answers.map((answer) => answer?.candidates[0]?.name || answer?.candidates[0]?.person_id || "unknown");
    return `${found} ${who.join(", ")}.`;
  }
}

/** The answer about this very face: both calls saw the same photo, so the boxes agree. */
function nearest(face, answered) {
  const distance = (other) => Math.hypot(other.face.box.left - face.box.left, other.face.box.top - face.box.top);
  return answered
    .filter((answer) => answer.face)
    .reduce((best, answer) => (best && distance(best) <= distance(answer) ? best : answer), undefined);
}
