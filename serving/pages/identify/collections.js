// The choice of a collection: lists them, makes a new one, keeps the choice in the address after '#'.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { element, find } from "/assets/controls/element.js";
import * as words from "/assets/shell/words.js";

const NEW = "+"; // not a collection's name: those are letters, digits, '.', '-' and '_'

export class Collections {
  constructor({ onChange, onTrouble }) {
    this.onChange = onChange;
    this.onTrouble = onTrouble;
    this.select = find("#collection");
    this.form = find("#collection-form");
    this.wanted = fromAddress();
    this.readings = 0;
    this.select.addEventListener("change", () => this.chosen());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.create(find("#collection-id").value.trim());
    });
    addEventListener("hashchange", () => {
      this.wanted = fromAddress();
      this.refresh().then(onChange, onTrouble);
    });
  }

  /** The chosen collection's name, or "". */
  get value() {
    return this.select.value === NEW ? "" : this.select.value;
  }

  /** Reads the list anew and keeps the choice. An answer that a later reading overtook is not looked at. */
  async refresh() {
    const reading = ++this.readings;
    const found = await api.collections();
    if (reading !== this.readings) return;
    const options = found.map((item) => {
      const size = `${words.count(item.persons, "person", "persons")}, ${words.count(item.faces, "face")}`;
      return element("option", { value: item.id }, `${item.id} (${size})`);
    });
    this.select.replaceChildren(
      element("option", { value: "" }, "none: only find faces"),
      ...options,
      element("option", { value: NEW }, "a new collection…"),
    );
    this.select.value = this.wanted;
    if (this.select.selectedIndex < 0) {
      this.select.value = "";
      this.onTrouble(`There is no collection named ${this.wanted} here.`);
      this.wanted = "";
    }
    this.form.hidden = this.select.value !== NEW;
  }

  chosen() {
    this.form.hidden = this.select.value !== NEW;
    if (this.select.value === NEW) {
      find("#collection-id").focus();
      return;
    }
    this.keep(this.select.value);
    this.onChange();
  }

  async create(id) {
    try {
      await api.createCollection(id);
      find("#collection-id").value = "";
      this.keep(id);
      await this.refresh();
      this.select.focus();
      this.onChange();
    } catch (error) {
      this.onTrouble(error);
    }
  }

  keep(id) {
    this.wanted = id;
    address.keep({ collection: id });
  }
}

const fromAddress = () => address.read().collection ?? "";
