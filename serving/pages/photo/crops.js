// Pictures of enrolled faces, where the collection keeps their crops. Asks for each once, shows, keeps nothing.

import * as api from "/assets/shell/api.js";
import { element, shape } from "/assets/controls/element.js";

export class Crops {
  /** `collection` is a CollectionOut. */
  constructor(collection) {
    this.collection = collection;
    this.none = false;
  }

  /** A picture of the face `id` of `person`; a drawn head stands there until it comes, and where there is none. */
  picture(person, id, label) {
    const frame = element("div", { class: "crop", role: "img", "aria-label": label }, head());
    if (!this.none) this.load(frame, person, id, label);
    return frame;
  }

  async load(frame, person, id, label) {
    let blob = null;
    try {
      blob = await api.crop(this.collection.id, person, id);
    } catch {
      // A face that went meanwhile, or a service that is full: the drawn head stays, the face's words are there.
      return;
    }
    if (blob === null) {
      // One that keeps no crops now may have kept some before; who has none in it asks once, not for each face.
      this.none = !this.collection.keep_crops;
      frame.setAttribute("aria-label", `${label}, no picture kept`);
      frame.title = "no picture kept";
      return;
    }
    const image = element("img", { alt: "" });
    const address = URL.createObjectURL(blob);
    image.addEventListener("load", () => URL.revokeObjectURL(address));
    image.src = address;
    frame.replaceChildren(image);
  }
}

function head() {
  return shape(
    "svg",
    { viewBox: "0 0 112 112", "aria-hidden": "true" },
    shape("circle", { cx: 56, cy: 44, r: 22 }),
    shape("path", { d: "M16 108c4-26 20-36 40-36s36 10 40 36" }),
  );
}
