// Form fields made from a JSON Schema of plain options, and their values as the API takes them. Knows no kind of job.

import { element } from "/assets/controls/element.js";
import { choice, field, textField, tick } from "/assets/controls/fields.js";

/**
 * One field for each property of `schema`: a number, a text, a yes or no, one of several words.
 *
 * `label(name)` and `word(name, value)` say names and words of choices; `choices` has, by name, [value, text] pairs for
 * texts that are one of some. What is left empty is left out, and the service takes its default.
 */
export class OptionFields {
  constructor(schema, { label, word, choices = {}, without = [] }) {
    this.readers = {};
    this.root = element("div", { class: "options" });
    const required = new Set(schema.required ?? []);
    for (const [name, option] of Object.entries(schema.properties)) {
      if (without.includes(name)) continue;
      const made = make({ name, ...plain(option), required: required.has(name) }, label(name), word, choices[name]);
      this.readers[name] = made.read;
      this.root.append(made.root);
    }
  }

  /** The values that are given, by name. */
  values() {
    const read = Object.entries(this.readers).map(([name, value]) => [name, value()]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }
}

/** The option itself where it may also be null. */
function plain(option) {
  const some = (option.anyOf ?? []).find((one) => one.type !== "null");
  return some ? { ...option, ...some, default: undefined } : option;
}

function make(option, label, word, given) {
  const id = `option-${option.name}`;
  if (option.type === "boolean") return yesOrNo(id, option, label);
  const words = option.enum ?? (option.const === undefined ? null : [option.const]);
  const pairs = given ?? words?.map((value) => [value, word(option.name, value)]);
  if (pairs) {
    const select = choice(id, pairs, option.default ?? pairs[0][0]);
    return { root: field(label, select), read: () => select.value };
  }
  const input = textField(id, "", attributes(option));
  const read = () => {
    const text = input.value.trim();
    if (text === "") return undefined;
    return option.type === "string" ? text : Number(text);
  };
  return { root: field(label, input, option.description), read };
}

function yesOrNo(id, option, label) {
  const [input, row] = tick(id, label, option.default === true);
  const note = element("p", { class: "quiet", id: `${id}-hint` }, option.description ?? "");
  input.setAttribute("aria-describedby", note.id);
  return { root: element("div", { class: "field" }, row, note), read: () => input.checked };
}

/** What the browser itself checks. Bounds that are no values themselves are the service's to check. */
function attributes(option) {
  const number = option.type === "number" || option.type === "integer";
  const found = {
    placeholder: option.default ?? null,
    required: option.required ? "" : null,
    type: number ? "number" : "text",
    step: number ? (option.type === "integer" ? 1 : "any") : null,
    min: option.minimum ?? option.exclusiveMinimum,
    max: option.maximum ?? option.exclusiveMaximum,
    maxlength: option.maxLength,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== null && value !== undefined));
}
