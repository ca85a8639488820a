// A person in a few lines, with pictures of their first faces, to be told from another one at a glance. Changes nobody.

import { hash } from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { element } from "/assets/controls/element.js";
import * as words from "/assets/shell/words.js";

/** The card of a PersonOut with up to `most` pictures. */
export async function personCard(crops, person, most) {
  const collection = crops.collection.id;
  const { items } = await api.faces(collection, person.id, null, most);
  const named = person.name || person.id;
  const pictures = items.map((face, at) => crops.picture(person.id, face.id, `${named}, face ${at + 1}`));
  return element(
    "div",
    { class: "person" },
    element("div", { class: "pictures" }, ...pictures),
    element("a", { href: `/people${hash({ collection, person: person.id })}` }, named),
    person.name ? element("p", { class: "quiet" }, person.id) : null,
    element("p", { class: "quiet" }, words.count(person.faces, "face")),
  );
}

/** The person, or null where there is none any more. */
export async function stillThere(collection, id) {
  try {
    return await api.person(collection, id);
  } catch (error) {
    if (error.code === "unknown_person") return null;
    throw error;
  }
}
