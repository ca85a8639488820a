// What became of a job's items, and what the job found: parts of its view that are read when they are opened.

import * as api from "/assets/shell/api.js";
import { element } from "/assets/controls/element.js";
import { choice, field } from "/assets/controls/fields.js";
import { Pager } from "/assets/controls/pager.js";
import { trouble } from "/assets/shell/shell.js";
import { Table } from "/assets/controls/table.js";
import { shown, tableOf } from "/assets/controls/values.js";
import * as words from "/assets/shell/words.js";

const STATES = [
  ["", "all"],
  ["rejected", "rejected: not fit"],
  ["failed", "failed: tried again by Resume"],
  ["done", "done"],
  ["waiting", "waiting"],
];

/** The part of a job's items, with the reasons why some were refused. */
export function itemsPart(id) {
  const state = choice("item-state", STATES);
  const table = new Table("Items", ["Item", "State", "Reasons", "Came to"], { id: "job-items" });
  const pager = new Pager({
    read: (cursor) => api.items(id, state.value, cursor),
    show: (items, first) => {
      if (first) table.clear();
      table.add(...items.map(itemCells));
    },
    none: "There is no such item.",
  });
  state.addEventListener("change", () => pager.begin().catch(trouble));
  return part("Items", pager, field("Only those", state), table.root);
}

/** The part of what a job found. */
export function findingsPart(id) {
  const place = element("div", { id: "job-findings" });
  const pager = new Pager({
    read: (cursor) => api.findings(id, cursor),
    show: (items, first) => {
      if (first) place.replaceChildren();
      if (items.length) place.append(tableOf("Findings", items));
    },
    none: "The job has found nothing.",
  });
  return part("Findings", pager, place);
}

function itemCells(item) {
  const reasons = item.reasons.map(words.reason).join(", ");
  const values = Object.entries(item.result).map(([name, value]) => [`${name.replaceAll("_", " ")} `, shown(value), "; "]);
  return [
    item.item,
    element("span", { class: "state", "data-state": item.state }, item.state),
    item.message ? `${reasons}: ${item.message}` : reasons,
    values.flat().slice(0, -1),
  ];
}

/** `again` reads anew what is open. */
function part(title, pager, ...children) {
  const root = element("details", { class: "part" }, element("summary", {}, title), ...children, pager.root);
  const begin = async () => {
    if (root.open) await pager.begin();
  };
  root.addEventListener("toggle", () => begin().catch(trouble));
  return { root, again: begin };
}
