// Shows values of a JSON answer whose names only the service knows: as facts, lists and tables. Explains none of them.

import { element } from "/assets/controls/element.js";
import { Table } from "/assets/controls/table.js";

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

/** The values of an object as names, in the words of `named`, and what they are. */
export function facts(values, attributes = {}, named = plainly) {
  const pairs = Object.entries(values).map(([name, value]) => fact(named(name), shown(value)));
  return element("dl", { class: "values", ...attributes }, ...pairs);
}

/** One name with what it is: a text, an element, or a list of both. */
export const fact = (name, told) => element("div", {}, element("dt", {}, name), element("dd", {}, ...[told].flat()));

/** Objects as a table, with a column for each name that one of them has. */
export function tableOf(label, objects) {
  const names = [...new Set(objects.flatMap((one) => Object.keys(one)))];
  const table = new Table(label, names.map(plainly));
  table.add(...objects.map((one) => names.map((name) => shown(one[name] ?? null))));
  return table.root;
}

/** A value as it is read: text, or an element. */
export function shown(value) {
  if (value === null || value === "") return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return number(value);
  if (typeof value === "string") return MOMENT.test(value) ? new Date(value).toLocaleString() : value;
  if (!Array.isArray(value)) return facts(value);
  if (!value.length) return "none";
  if (value.every((one) => one && typeof one === "object" && !Array.isArray(one))) return tableOf("", value);
  return value.map(shown).join(", ");
}

const plainly = (name) => name.replaceAll("_", " ");

/** Small rates keep their digits; all else has four at most behind the point. */
function number(value) {
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1).replace("-", "−").replace("e−", "e-");
  return value.toLocaleString("en", { maximumFractionDigits: 4 });
}
