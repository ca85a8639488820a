// A group of unknown persons who look like one, and a form that says who that is. Which groups there are is the page's.

import * as api from "/assets/shell/api.js";
import { onSubmit } from "/assets/shell/action.js";
import { element } from "/assets/controls/element.js";
import { field, submit, textField } from "/assets/controls/fields.js";
import { personCard, stillThere } from "/assets/likeness/person_card.js";
import * as words from "/assets/shell/words.js";

const PICTURES = 2;

let made = 0;

/**
 * `persons` are the unknown ones; `known` is somebody they are like by `cosine`, or null; `more` of the group are not
 * shown. `onAssigned(target, count, card)` hears to whom how many were given.
 */
export async function groupCard({ crops, persons, known, cosine, more, onAssigned }) {
  const cards = await Promise.all(persons.map((person) => personCard(crops, person, PICTURES)));
  const name = textField(`assign-${++made}`, known?.id ?? "", { required: "", maxlength: "255" });
  const form = element(
    "form",
    { autocomplete: "off", class: "assign" },
    field("Person id", name, "Of somebody who is here, or a new one."),
    submit("Give the faces to them"),
  );
  const card = element(
    "article",
    { class: persons.length > 1 ? "group-card several" : "group-card", "aria-label": title(persons, known) },
    element("h2", {}, title(persons, known)),
    known ? element("div", { class: "like" }, ...cards, await personCard(crops, known, PICTURES)) : element("div", { class: "sides" }, ...cards),
    known ? element("p", { class: "meaning" }, `Alike by cosine ${words.cosine(cosine)}.`) : null,
    more ? element("p", { class: "quiet" }, `${words.count(more, "further one", "further ones")} of this group; look again afterwards.`) : null,
    form,
  );
  onSubmit(form, async () => {
    const target = name.value.trim();
    await assign(crops.collection.id, target, persons);
    onAssigned(target, persons.length, card);
  });
  return card;
}

function title(persons, known) {
  if (known) return `${persons[0].id}, like ${known.name || known.id}`;
  return persons.length === 1 ? `Alone: ${persons[0].id}` : words.count(persons.length, "unknown person", "unknown persons");
}

/** Gives every face of `persons` to `target`, who is made where there is nobody of that id. Those gone are left out. */
async function assign(collection, target, persons) {
  if (!(await stillThere(collection, target))) await api.createPerson(collection, target);
  for (const { id } of persons) {
    if (id === target) continue;
    try {
      await api.mergePersons(collection, target, id);
    } catch (error) {
      if (error.code !== "unknown_person") throw error;
    }
  }
}
