// What a service is, in words: versions, limits, models with their calibration, collections. Asks nothing.

import * as address from "/assets/shell/address.js";
import { packOf } from "/assets/people/collection_list.js";
import { element } from "/assets/controls/element.js";
import { Table } from "/assets/controls/table.js";
import { fact } from "/assets/controls/values.js";
import * as words from "/assets/shell/words.js";

const list = (pairs) => element("dl", { class: "values" }, ...pairs.map(([name, value]) => fact(name, value)));

export function whatRuns(system) {
  const libraries = Object.entries(system.versions).filter(([name]) => name !== "cocircle");
  return [
    element("h2", {}, "What runs"),
    list([
      ["Cocircle", system.version],
      ["Vector engine", system.engine],
      ["Models run on", system.provider],
      ["API keys", system.keys_required ? "wanted" : "off: this machine alone is answered"],
    ]),
    element("details", { class: "more" }, element("summary", {}, "Libraries"), list(libraries)),
  ];
}

export function limitsPart(system) {
  return [
    element("h2", {}, "Limits"),
    list([
      ["Two photos, where nothing is asked for", words.oneIn(system.verify_max_fmr)],
      ["Searches, where nothing is asked for", words.oneIn(system.identify_max_fmr)],
      ["A photo's file", words.bytes(system.max_image_bytes)],
      ["A photo's pixels", `${words.plain(system.max_pixels / 1e6)} million`],
      ["Photos of one enrolment", words.plain(system.max_images)],
    ]),
  ];
}

export function modelsPart(models) {
  return [element("h2", {}, "Models"), ...models.map(modelCard)];
}

function modelCard(model, at) {
  const heading = element("h3", {}, `${model.name} ${model.version}`, at === 0 ? " (new collections take it)" : "");
  return element(
    "article",
    { class: "model" },
    heading,
    list([
      ["Contract", element("code", {}, model.contract_id)],
      ["Dimensions", words.plain(model.dimension)],
      ["Licence", model.licence],
      ["Origin", model.origin],
      ...calibration(model.calibration),
    ]),
  );
}

function calibration(found) {
  if (!found) return [["Calibration", "none: scores are cosines, and no rate is told"]];
  return [
    ["Calibration measured on", found.data],
    ["Pairs of strangers", words.plain(found.impostor_pairs)],
    ["Rates counted down to", words.oneIn(found.floor)],
  ];
}

export function collectionsPart(collections, models) {
  if (!collections.length) return [element("h2", {}, "Collections"), element("p", { class: "quiet" }, "There is none yet.")];
  const table = new Table("Collections", ["Collection", "Persons", "Faces", "Model", "Searched", "Search", "Row", "Revision"]);
  table.add(
    ...collections.map((one) => [
      element("a", { href: `/people${address.hash({ collection: one.id })}` }, one.id),
      words.plain(one.persons),
      words.plain(one.faces),
      packOf(one, models),
      one.fusion === "mean" ? "means" : "every face",
      one.search,
      one.precision,
      String(one.revision),
    ]),
  );
  return [element("h2", {}, "Collections"), table.root];
}
