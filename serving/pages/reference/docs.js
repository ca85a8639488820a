// The reference of the API: one section a tag, one part a route, made from the OpenAPI document of this service.

import { curl } from "/assets/reference/docs-curl.js";
import { fields, told } from "/assets/reference/docs-schema.js";
import { element, find } from "/assets/controls/element.js";
import { say, shell } from "/assets/shell/shell.js";

const parts = [];

shell(async () => {
  if (parts.length) return;
  const answer = await fetch("/v1/openapi.json", { credentials: "omit" });
  draw(await answer.json());
  show();
});

function draw(document) {
  for (const { name, description } of document.tags) {
    const routes = operations(document).filter(({ operation }) => operation.tags[0] === name);
    add(`tag-${name}`, name, description, routes.map(route));
  }
  const schemas = Object.entries(document.components.schemas);
  add("tag-schemas", "schemas", "What answers are made of.", schemas.map(([name, schema]) => schemaPart(name, schema)));
}

function operations({ paths }) {
  const all = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return all.sort((a, b) => a.path.length - b.path.length || a.path.localeCompare(b.path));
}

function add(id, name, description, made) {
  find("#contents").append(element("a", { href: `#${id}` }, name));
  const title = element("h2", { id: `${id}-title` }, name);
  const section = element("section", { id, "aria-labelledby": `${id}-title` }, title, element("p", { class: "quiet" }, description));
  section.append(...made);
  find("#reference").append(section);
}

function part(id, summary, words, ...content) {
  const made = element("details", { class: "part", id }, element("summary", {}, ...summary), element("div", {}, ...content));
  parts.push({ made, words: words.toLowerCase() });
  return made;
}

function route({ path, method, operation }) {
  const summary = [
    element("span", { class: "method" }, method),
    element("span", { class: "path" }, path),
    element("span", { class: "gist" }, operation.summary),
  ];
  const words = [method, path, operation.summary, operation.description ?? ""].join(" ");
  return part(
    operation.operationId,
    summary,
    words,
    element("p", {}, operation.description ?? ""),
    scope(operation),
    example(path, method, operation),
    parameters(operation.parameters ?? []),
    bodies(operation.requestBody?.content ?? {}),
    answers(operation.responses),
  );
}

function scope({ security }) {
  if (!security) return null;
  return element("p", { class: "quiet" }, `Needs a key with the scope ${Object.values(security[0])[0][0]}.`);
}

function example(path, method, operation) {
  const text = curl(location.origin, path, method, operation);
  const button = element("button", { type: "button", "aria-label": `Copy the example of ${method} ${path}` }, "Copy");
  const shown = element("pre", { class: "curl" }, text);
  button.addEventListener("click", () => copy(text, shown));
  return element("div", {}, element("div", { class: "copy" }, element("h3", {}, "Example"), button), shown);
}

async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    // Where a page may not write to the clipboard, the text is ready to be copied by hand.
    getSelection().selectAllChildren(shown);
    say("Selected; copy it with your keyboard.");
  }
}

function parameters(all) {
  if (!all.length) return null;
  const rows = all.map((one) => ({ name: one.name, where: one.in, required: one.required, schema: { description: one.description, ...one.schema } }));
  return element("div", {}, element("h3", {}, "Parameters"), fields(rows));
}

function bodies(content) {
  const made = Object.entries(content).flatMap(([type, { schema }]) => [element("h4", {}, type), told(schema)]);
  return made.length ? element("div", {}, element("h3", {}, "Body"), ...made) : null;
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, { description, content = {} }]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", {}, status)),
      element("td", {}, description ?? ""),
      element("td", {}, ...Object.entries(content).map(([type, { schema }]) => (schema ? told(schema) : type))),
    ),
  );
  const table = element("table", { class: "fields" }, element("tbody", {}, ...rows));
  return element("div", {}, element("h3", {}, "Answers"), element("div", { class: "wide" }, table));
}

function schemaPart(name, schema) {
  const summary = [element("span", { class: "path" }, name), element("span", { class: "gist" }, schema.description ?? "")];
  return part(`schema-${name}`, summary, `${name} ${schema.description ?? ""}`, told({ ...schema, description: "" }));
}

/** Opens the part that the address names. */
function show() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!named) return;
  if (named.matches("details")) named.open = true;
  named.scrollIntoView();
}

addEventListener("hashchange", show);

find("#find").addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const { made, words } of parts) made.hidden = !words.includes(wanted);
  for (const section of document.querySelectorAll("#reference section")) {
    section.hidden = !section.querySelector(".part:not([hidden])");
  }
  say(`${parts.filter(({ made }) => !made.hidden).length} found.`);
});
