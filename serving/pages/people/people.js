// The page of collections and persons: shows what its address after '#' names. What it shows is in the views' files.

import * as address from "/assets/shell/address.js";
import { collectionList } from "/assets/people/collection_list.js";
import { collectionView } from "/assets/people/collection_view.js";
import { element } from "/assets/controls/element.js";
import { personView } from "/assets/people/person_view.js";
import { Views } from "/assets/shell/views.js";

function open(page, { collection, person }) {
  if (person) return personView(page, collection, person);
  return collection ? collectionView(page, collection) : collectionList(page);
}

function crumbs({ collection, person }) {
  if (!collection) return [];
  const all = element("a", { href: "#all" }, "All collections");
  return person ? [all, element("a", { href: address.hash({ collection }) }, collection)] : [all];
}

const views = new Views("#people", { open, lost: ({ collection }) => collection ?? "People", crumbs });

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((item) => item.type.startsWith("image/"));
  if (!files.length || !views.current?.take) return;
  event.preventDefault();
  views.current.take(files);
});
