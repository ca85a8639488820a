// A JSON schema as words and tables. References become links to the part of the page that shows them.

import { element } from "/assets/controls/element.js";

/** A schema with all that is in it. */
export function told(schema) {
  const made = element("div", {});
  if (schema.description) made.append(element("p", { class: "quiet" }, schema.description));
  if (schema.properties) made.append(fields(rows(schema)));
  else made.append(element("p", {}, ...kind(schema)));
  if (schema.oneOf?.every((way) => way.required)) {
    const ways = schema.oneOf.map((way) => way.required.join(" with ")).join(", or ");
    made.append(element("p", { class: "quiet" }, `One of: ${ways}.`));
  }
  return made;
}

/** A table of [{name, schema, required, where}]. */
export function fields(all) {
  const body = element("tbody", {}, ...all.map(row));
  const names = ["name", "kind", "says"].map((name) => element("th", { scope: "col" }, name));
  const table = element("table", { class: "fields" }, element("thead", {}, element("tr", {}, ...names)), body);
  return element("div", { class: "wide" }, table);
}

function row({ name, schema, required, where }) {
  const notes = [where, required ? "required" : "", limits(schema), standard(schema)].filter(Boolean).join("; ");
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, element("code", {}, name)),
    element("td", {}, ...kind(schema), notes ? element("div", { class: "quiet" }, notes) : ""),
    element("td", {}, schema.description ?? "", ...inside(schema)),
  );
}

function rows({ properties, required = [] }) {
  return Object.entries(properties).map(([name, schema]) => ({ name, schema, required: required.includes(name) }));
}

function inside(schema) {
  const found = schema.properties ? schema : schema.items?.properties ? schema.items : null;
  return found ? [fields(rows(found))] : [];
}

function kind(schema) {
  if (schema.$ref) return [reference(schema.$ref)];
  if (schema.anyOf) return schema.anyOf.flatMap((one, at) => (at ? [" or ", ...kind(one)] : kind(one)));
  if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" | ")];
  if ("const" in schema) return [JSON.stringify(schema.const)];
  if (schema.prefixItems) return ["[", ...schema.prefixItems.flatMap((one, at) => (at ? [", ", ...kind(one)] : kind(one))), "]"];
  if (schema.type === "array") return ["list of ", ...kind(schema.items ?? {})];
  return [[schema.type ?? "anything", schema.format ? `(${schema.format})` : ""].join(" ").trim()];
}

function reference($ref) {
  const name = $ref.split("/").pop();
  return element("a", { href: `#schema-${encodeURIComponent(name)}` }, name);
}

function limits(schema) {
  const all = schema.anyOf ? { ...schema, ...schema.anyOf[0] } : schema;
  const said = [
    ["minimum", "at least"],
    ["exclusiveMinimum", "more than"],
    ["maximum", "at most"],
    ["exclusiveMaximum", "less than"],
    ["minLength", "characters at least"],
    ["maxLength", "characters at most"],
    ["minItems", "entries at least"],
    ["maxItems", "entries at most"],
    ["pattern", "matches"],
  ];
  return said.filter(([name]) => name in all).map(([name, words]) => `${words} ${all[name]}`).join(", ");
}

const standard = (schema) => ("default" in schema ? `without it ${JSON.stringify(schema.default)}` : "");
