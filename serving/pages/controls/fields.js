// Form fields with their labels and hints. Says nothing of what they are for.

import { element } from "/assets/controls/element.js";

/** A labelled control. `control` needs an id; `hint` stands below it. */
export function field(told, control, hint = "") {
  const note = hint ? element("p", { class: "quiet", id: `${control.id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return element("div", { class: "field" }, element("label", { for: control.id }, told), control, note);
}

/** A one-line text field that holds `value`. */
export function textField(id, value = "", attributes = {}) {
  const input = element("input", { id, autocomplete: "off", spellcheck: "false", ...attributes });
  input.value = value;
  return input;
}

/** A select of [value, text] pairs. */
export function choice(id, options, value = options[0][0]) {
  const select = element("select", { id });
  select.append(...options.map(([key, text]) => element("option", { value: key }, text)));
  select.value = value;
  return select;
}

/** A checkbox beside its words; `box.checked` is read from the input, which is returned first. */
export function tick(id, told, checked = false) {
  const input = element("input", { id, type: "checkbox" });
  input.checked = checked;
  return [input, element("div", { class: "pick" }, input, element("label", { for: id }, told))];
}

/** A JSON object in a text area. */
export function jsonField(id, value) {
  const area = element("textarea", { id, rows: "4", spellcheck: "false", class: "code" });
  area.value = JSON.stringify(value, null, 2);
  return area;
}

/** What a `jsonField` holds. Throws an Error that says what to do where it is no JSON object. */
export function readJson(area) {
  let value;
  try {
    value = JSON.parse(area.value.trim() || "{}");
  } catch (error) {
    throw new Error(`Metadata is not JSON: ${error.message}. Write it as {"team": "red"}.`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error('Metadata is a JSON object, such as {"team": "red"}.');
  }
  return value;
}

export const submit = (told, kind = "strong") => element("button", { type: "submit", class: kind }, told);
