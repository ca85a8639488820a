// The persons of one collection: page by page, found by a part of their id or name. Changes nobody.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { button } from "/assets/shell/action.js";
import { element } from "/assets/controls/element.js";
import { field, textField } from "/assets/controls/fields.js";
import { trouble } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

const SHOWN = 60; // more at a time than anybody reads; the next ones are a button away
const READ = 1000; // persons of one answer
const PATIENCE = 10; // answers without enough matches, before somebody is asked whether to look on

export class PersonList {
  /** `onExact(id)` is called where the whole id of a person was typed and sent. */
  constructor(collection, onExact) {
    this.collection = collection;
    this.onExact = onExact;
    this.list = element("ul", { class: "rows", id: "persons" });
    this.note = element("p", { class: "quiet", role: "status" });
    this.more = button("More", () => this.read());
    this.text = textField("find-person", "", { type: "search", maxlength: "255" });
    const form = element("form", { role: "search" }, field("Find by id or name", this.text));
    this.root = element("div", {}, form, this.list, element("div", { class: "row tools" }, this.more, this.note));
    this.text.addEventListener("input", () => this.begin().catch(trouble));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(this.text.value.trim()).catch(trouble);
    });
  }

  /** Reads from the first person on, with what is typed now. A reading that a later one overtook shows nothing. */
  async begin() {
    this.turn = {};
    this.cursor = null;
    this.kept = [];
    this.looked = 0;
    this.shown = 0;
    await this.read();
  }

  async read() {
    const turn = this.turn;
    const wanted = this.text.value.trim().toLowerCase();
    const target = this.shown + SHOWN;
    const found = this.kept;
    let { cursor, looked } = this;
    for (let asked = 0; found.length < target && asked < PATIENCE; asked++) {
      if (looked && !cursor) break;
      const page = await api.persons(this.collection, cursor, wanted ? READ : SHOWN);
      if (turn !== this.turn) return;
      found.push(...page.items.filter((person) => matches(person, wanted)));
      looked += page.items.length;
      cursor = page.next;
      if (!cursor) break;
    }
    if (turn !== this.turn) return;
    Object.assign(this, { cursor, looked, shown: Math.min(target, found.length) });
    this.list.replaceChildren(...found.slice(0, this.shown).map((person) => this.row(person)));
    this.more.hidden = !cursor && this.shown === found.length;
    this.note.textContent = this.told(wanted, Boolean(cursor));
  }

  told(wanted, further) {
    if (!this.looked) return "Nobody is enrolled yet.";
    if (!wanted) return further ? "" : words.count(this.looked, "person", "persons");
    const looked = `${words.count(this.looked, "person", "persons")} looked through`;
    return `${this.kept.length ? words.count(this.kept.length, "match", "matches") : "No match"}, ${looked}${further ? " so far" : ""}.`;
  }

  row(person) {
    const where = address.hash({ collection: this.collection, person: person.id });
    return element(
      "li",
      {},
      element("a", { href: where }, person.name || person.id),
      person.name ? element("span", { class: "quiet" }, person.id) : null,
      element("span", { class: "quiet end" }, words.count(person.faces, "face")),
    );
  }

  async open(id) {
    if (!id) return;
    try {
      await api.person(this.collection, id);
    } catch (error) {
      if (error.code !== "unknown_person") throw error;
      trouble(`Nobody here has exactly the id ${id}; whose id or name holds it stands in the list.`);
      return;
    }
    this.onExact(id);
  }
}

const matches = (person, wanted) =>
  !wanted || person.id.toLowerCase().includes(wanted) || person.name.toLowerCase().includes(wanted);
