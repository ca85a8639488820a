// One person: their faces, and everything that can be done with the person. The faces' own tiles are in face_tiles.js.

import * as api from "/assets/shell/api.js";
import { button, onSubmit } from "/assets/shell/action.js";
import { confirmed } from "/assets/controls/confirm.js";
import { Crops } from "/assets/photo/crops.js";
import { element } from "/assets/controls/element.js";
import { EnrolForm } from "/assets/people/enrol_form.js";
import { FaceTiles } from "/assets/people/face_tiles.js";
import { field, jsonField, readJson, submit, textField } from "/assets/controls/fields.js";
import { PersonCheck } from "/assets/people/person_check.js";
import * as words from "/assets/shell/words.js";

/** The view of person `id` of `collection`; `page` has system and go(values, told). */
export async function personView(page, collection, id) {
  const [home, found] = await Promise.all([api.collection(collection), api.person(collection, id)]);
  const line = element("p", { class: "quiet facts-line" }, facts(found));
  const again = async () => line.replaceChildren(facts(await api.person(collection, id)));
  const tiles = new FaceTiles(new Crops(home), id, again);
  await tiles.read();
  const enrol = new EnrolForm({
    collection,
    person: id,
    most: page.system.max_images,
    onEnrolled: () => Promise.all([tiles.read(), again()]),
  });
  const check = new PersonCheck(collection, id, found.name || id);
  const root = element(
    "div",
    {},
    line,
    element(
      "div",
      { class: "columns" },
      element("section", { "aria-labelledby": "faces-title" }, title("faces-title", "Faces"), tiles.root),
      element(
        "section",
        { class: "side", "aria-labelledby": "enrol-title" },
        title("enrol-title", "Enrol more photos"),
        enrol.root,
        part(`Is ${found.name || id} on a photo?`, check.root),
        part("Name and metadata", changes(page, collection, found)),
        part("Merge into another person", merging(page, collection, found)),
        part("Delete", ending(page, collection, found)),
      ),
    ),
  );
  const close = () => {
    enrol.close();
    check.close();
  };
  // A pasted photo is checked where the check is open, and else one of those to enrol.
  const take = (files) => (check.root.closest("details").open ? check.slot.take(files[0]) : enrol.tray.add(files));
  return { title: found.name || id, root, take, close };
}

const title = (id, told) => element("h2", { id }, told);

const part = (told, ...children) => element("details", { class: "part" }, element("summary", {}, told), ...children);

function facts(person) {
  const id = person.name ? `${person.id}. ` : "";
  return `${id}${words.count(person.faces, "face")}. Since ${words.day(person.created_at)}, changed ${words.day(person.updated_at)}.`;
}

function changes(page, collection, person) {
  const name = textField("person-name", person.name, { maxlength: "1024" });
  const metadata = jsonField("person-metadata", person.metadata);
  const form = element(
    "form",
    { id: "person-form", autocomplete: "off" },
    field("Name", name),
    field("Metadata", metadata, "A JSON object of your own."),
    element("div", { class: "row" }, submit("Save", "")),
  );
  onSubmit(form, async () => {
    await api.changePerson(collection, person.id, { name: name.value.trim(), metadata: readJson(metadata) });
    await page.go({ collection, person: person.id }, "Saved.");
  });
  return form;
}

function merging(page, collection, person) {
  const other = textField("merge-into", "", { required: "", maxlength: "255" });
  const form = element(
    "form",
    { id: "merge-form", autocomplete: "off" },
    field("Id of the other person", other, `Gets every face of ${person.id}, who is gone then.`),
    element("div", { class: "row" }, submit("Merge", "danger")),
  );
  onSubmit(form, async () => {
    const into = await api.person(collection, other.value.trim());
    const sure = await confirmed({
      title: `Merge ${person.id} into ${into.id}?`,
      told: `${words.count(person.faces, "face")} go to ${into.id}; ${person.id}, with name and metadata, is gone.`,
      action: "Merge",
    });
    if (!sure) return;
    await api.mergePersons(collection, into.id, person.id);
    await page.go({ collection, person: into.id }, `${person.id} is merged into ${into.id}.`);
  });
  return form;
}

function ending(page, collection, person) {
  const remove = button(
    "Delete the person",
    async () => {
      const sure = await confirmed({
        title: `Delete ${person.id}?`,
        told: "The person, every template and every picture of them are deleted, for good.",
        typed: person.id,
        action: "Delete the person",
      });
      if (!sure) return;
      await api.deletePerson(collection, person.id);
      await page.go({ collection }, `${person.id} is deleted.`);
    },
    { class: "danger" },
  );
  return element("div", { class: "row" }, remove);
}
