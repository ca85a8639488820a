// What a page shows in the place of its content where the key in use may not look at it.

import { element, find } from "/assets/controls/element.js";

/** Does `work`; where the service answers 403, puts its words and what is needed into `place`. */
export async function unlessRefused(place, needed, work) {
  try {
    await work();
  } catch (error) {
    if (error.status !== 403) throw error;
    const title = element("h2", {}, "The key in use may not look at this");
    find(place).replaceChildren(element("section", { class: "refused" }, title, element("p", {}, error.message), element("p", {}, needed)));
  }
}
