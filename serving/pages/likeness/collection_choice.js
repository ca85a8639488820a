// A select of the collections there are, which keeps its choice in the address. Makes none.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { element, find } from "/assets/controls/element.js";
import { trouble } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

export class CollectionChoice {
  /** `onChange()` is called, and its trouble told, after each choice. */
  constructor(onChange) {
    this.select = find("#collection");
    this.found = [];
    const tell = () => onChange().catch((error) => error.name === "AbortError" || trouble(error));
    this.select.addEventListener("change", () => {
      address.keep({ collection: this.select.value });
      tell();
    });
    addEventListener("hashchange", () => {
      this.take();
      tell();
    });
  }

  /** The chosen CollectionOut, or undefined. */
  get value() {
    return this.found.find((item) => item.id === this.select.value);
  }

  /** Reads the list anew; the choice is the address's, and the first collection without one. */
  async refresh() {
    this.found = await api.collections();
    const options = this.found.map((item) => {
      const told = `${item.id} (${words.count(item.persons, "person", "persons")})`;
      return element("option", { value: item.id }, told);
    });
    this.select.replaceChildren(...options);
    this.select.disabled = !options.length;
    this.take();
  }

  take() {
    const wanted = address.read().collection;
    if (!wanted) return;
    this.select.value = wanted;
    if (this.select.selectedIndex < 0) throw new Error(`There is no collection named ${wanted} here.`);
  }
}
