// The form that says which lines of the audit are looked for. Asks for none.

import { element } from "/assets/controls/element.js";
import { choice, field, submit, textField } from "/assets/controls/fields.js";
import { actionWord, ACTIONS } from "/assets/audit/audit_line.js";

const NAMES = ["since", "until", "action", "collection", "actor", "person"];

export class AuditFilter {
  constructor() {
    const text = (name, attributes) => textField(`audit-${name}`, "", { maxlength: "255", ...attributes });
    this.fields = {
      since: text("since", { type: "datetime-local", step: "1" }),
      until: text("until", { type: "datetime-local", step: "1" }),
      action: choice("audit-action", [["", "any"], ...ACTIONS.map((code) => [code, actionWord(code)])]),
      collection: text("collection"),
      actor: text("actor"),
      person: text("person"),
    };
    const { since, until, action, collection, actor, person } = this.fields;
    this.sender = submit("Show");
    this.root = element(
      "form",
      { id: "audit-filter", class: "filter", autocomplete: "off" },
      field("From", since),
      field("Before", until),
      field("What was done", action),
      field("Collection", collection),
      field("By", actor, "Id of a key, local, or worker."),
      field("Person", person, "The id; needs the collection."),
      element("div", { class: "row" }, this.sender, element("button", { type: "reset", class: "plain" }, "Everything")),
    );
  }

  /** What the fields hold, by name; empty ones are left out. */
  values() {
    const held = NAMES.map((name) => [name, this.fields[name].value.trim()]);
    return Object.fromEntries(held.filter(([, value]) => value));
  }

  take(values) {
    for (const name of NAMES) this.fields[name].value = values[name] ?? "";
  }

  /** As the API takes it: moments with the reader's own time zone. */
  asked() {
    const values = this.values();
    for (const name of ["since", "until"]) {
      if (values[name]) values[name] = new Date(values[name]).toISOString();
    }
    return values;
  }
}
