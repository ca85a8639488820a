// The page of collections and persons: shows what its address after '#' names. What it shows is in the views' files.

import * as address from "/assets/shell/address.js";
import { collectionList } from "/assets/people/collection_list.js";
import { collectionView } from "/assets/people/collection_view.js";
import { element, find } from "/assets/controls/element.js";
import { personView } from "/assets/people/person_view.js";
import { calm, say, shell, trouble } from "/assets/shell/shell.js";

const page = {
  system: null,
  models: [],
  /** Goes to what `values` name, shows it as it is now, and says `told`. */
  async go(values, told = "") {
    if (address.hash(values) !== address.hash(address.read())) address.go(values);
    await show();
    find("h1").focus();
    if (told) say(told, true);
  },
};

let turn = 0;
let current = null;

/** Shows what the address names. A view that a later one overtook is not shown. */
async function show() {
  const mine = ++turn;
  const { collection, person } = address.read();
  const view = await viewOf(collection, person).catch((error) => {
    if (mine === turn) put(nothing(collection), collection);
    throw error;
  });
  if (mine !== turn) {
    view.close?.();
    return;
  }
  put(view, collection, person);
}

function put(view, collection, person) {
  current?.close?.();
  current = view;
  find("#people").replaceChildren(view.root);
  find("h1").replaceChildren(view.title);
  find("#where").replaceChildren(...crumbs(collection, person));
  document.title = `${view.title} · Cocircle`;
}

const nothing = (collection) => ({ title: collection ?? "People", root: "" });

function viewOf(collection, person) {
  if (person) return personView(page, collection, person);
  return collection ? collectionView(page, collection) : collectionList(page);
}

function crumbs(collection, person) {
  if (!collection) return [];
  const all = element("a", { href: "#all" }, "All collections");
  return person ? [all, element("a", { href: address.hash({ collection }) }, collection)] : [all];
}

addEventListener("hashchange", async () => {
  if (!page.system) return;
  calm();
  try {
    await show();
    find("h1").focus();
  } catch (error) {
    trouble(error);
  }
});

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((item) => item.type.startsWith("image/"));
  if (!files.length || !current?.take) return;
  event.preventDefault();
  current.take(files);
});

shell(async ({ system, models }) => {
  Object.assign(page, { system, models });
  await show();
});
