// One collection: its persons, a form that enrols a new one, its settings and its end.

import * as api from "/assets/shell/api.js";
import { button, onSubmit } from "/assets/shell/action.js";
import { packOf } from "/assets/people/collection_list.js";
import { confirmed } from "/assets/controls/confirm.js";
import { element } from "/assets/controls/element.js";
import { EnrolForm } from "/assets/people/enrol_form.js";
import { choice, field, jsonField, readJson, submit, tick } from "/assets/controls/fields.js";
import { PersonList } from "/assets/people/person_list.js";
import * as words from "/assets/shell/words.js";

/** The view of collection `id`; `page` has system, models and go(values, told). */
export async function collectionView(page, id) {
  const found = await api.collection(id);
  const persons = new PersonList(id, (person) => page.go({ collection: id, person }));
  await persons.begin();
  const enrol = new EnrolForm({
    collection: id,
    person: null,
    most: page.system.max_images,
    onEnrolled: (person) => page.go({ collection: id, person }),
  });
  const root = element(
    "div",
    {},
    element("p", { class: "quiet facts-line" }, facts(found, page.models)),
    element(
      "div",
      { class: "columns" },
      element("section", { "aria-label": "Persons" }, persons.root),
      element(
        "section",
        { class: "side" },
        element("h2", {}, "A new person"),
        enrol.root,
        settings(page, found),
        ending(page, found),
      ),
    ),
  );
  return { title: id, root, take: (files) => enrol.tray.add(files), close: () => enrol.close() };
}

function facts(found, models) {
  const size = `${words.count(found.persons, "person", "persons")}, ${words.count(found.faces, "face")}`;
  const crops = found.keep_crops ? "Pictures of enrolled faces are kept." : "No pictures are kept.";
  return `${size}. Model ${packOf(found, models)}. ${crops}`;
}

function settings(page, found) {
  const [crops, cropsRow] = tick("set-crops", "Keep a small picture of each face enrolled from now on", found.keep_crops);
  const searches = [
    ["auto", "exact while it is small, fast beyond"],
    ["exact", "exact"],
    ["fast", "fast"],
  ];
  const search = choice("set-search", searches, found.search);
  const metadata = jsonField("set-metadata", found.metadata);
  const form = element(
    "form",
    { id: "settings-form", autocomplete: "off" },
    cropsRow,
    field("Search", search),
    field("Metadata", metadata, "A JSON object of your own."),
    element("div", { class: "row" }, submit("Save", "")),
  );
  onSubmit(form, async () => {
    const changes = { keep_crops: crops.checked, search: search.value, metadata: readJson(metadata) };
    await api.changeCollection(found.id, changes);
    await page.go({ collection: found.id }, `The settings of ${found.id} are saved.`);
  });
  return element("details", { class: "part" }, element("summary", {}, "Settings"), form);
}

function ending(page, found) {
  const remove = button("Delete the collection", () => deleted(page, found), { class: "danger" });
  const told = "Everybody in it goes with it: persons, templates, pictures.";
  return element(
    "details",
    { class: "part" },
    element("summary", {}, "Delete"),
    element("p", { class: "quiet" }, told),
    element("div", { class: "row" }, remove),
  );
}

async function deleted(page, { id, persons, faces }) {
  const size = `${words.count(persons, "person", "persons")} and ${words.count(faces, "face")}`;
  const sure = await confirmed({
    title: `Delete ${id}?`,
    told: `${size} are deleted with it, for good.`,
    typed: id,
    action: "Delete the collection",
  });
  if (!sure) return;
  await api.deleteCollection(id);
  await page.go({}, `${id} is deleted.`);
}
