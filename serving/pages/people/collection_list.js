// All collections with their sizes, and a form that makes a new one. What is in them is other files' subject.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { onSubmit } from "/assets/shell/action.js";
import { element } from "/assets/controls/element.js";
import { choice, field, submit, textField, tick } from "/assets/controls/fields.js";
import * as words from "/assets/shell/words.js";

/** The view of everything; `page` has models and go(values). */
export async function collectionList(page) {
  const found = await api.collections();
  const list = element("ul", { class: "rows", id: "collections" }, ...found.map((item) => row(item, page.models)));
  const none = found.length ? null : element("p", { class: "quiet empty" }, "There is no collection yet.");
  const root = element(
    "div",
    { class: "columns" },
    element("section", { "aria-label": "Collections" }, list, none),
    element("section", { class: "side" }, element("h2", {}, "A new collection"), creation(page)),
  );
  return { title: "People", root };
}

/** The pack whose contract a collection has, by name; the contract where that pack is not served. */
export const packOf = (collection, models) =>
  models.find((pack) => pack.contract_id === collection.contract_id)?.name ?? collection.contract_id;

function row(item, models) {
  const facts = [
    words.count(item.persons, "person", "persons"),
    words.count(item.faces, "face"),
    packOf(item, models),
    item.keep_crops ? "keeps pictures" : "",
  ];
  return element(
    "li",
    {},
    element("a", { href: address.hash({ collection: item.id }) }, item.id),
    element("span", { class: "quiet end" }, facts.filter(Boolean).join(" · ")),
  );
}

function creation(page) {
  const id = textField("collection-id", "", { required: "", maxlength: "255", pattern: "[A-Za-z0-9_.\\-]+" });
  const [crops, cropsRow] = tick("collection-crops", "Keep a small picture of each enrolled face");
  const pack = choice("collection-pack", page.models.map((item) => [item.contract_id, item.name]));
  const fusion = choice("collection-fusion", [
    ["mean", "one mean template a person"],
    ["samples", "every enrolled face"],
  ]);
  const precision = choice("collection-precision", [
    ["float16", "2 bytes a dimension"],
    ["float32", "4 bytes a dimension"],
  ]);
  const more = element(
    "details",
    { class: "more" },
    element("summary", {}, "What cannot be changed later"),
    field("Model", pack),
    field("Searched", fusion),
    field("Stored", precision),
  );
  const form = element(
    "form",
    { id: "collection-form", autocomplete: "off" },
    field("Name", id, "Letters, digits, dot, dash and underscore."),
    cropsRow,
    more,
    element("div", { class: "row" }, submit("Create")),
  );
  onSubmit(form, async () => {
    const options = {
      pack: pack.value,
      fusion: fusion.value,
      precision: precision.value,
      keep_crops: crops.checked,
    };
    const made = await api.createCollection(id.value.trim(), options);
    await page.go({ collection: made.id }, `${made.id} is made; nobody is in it yet.`);
  });
  return form;
}
