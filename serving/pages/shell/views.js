// A document of several views, one at a time: shows what the address after '#' names. What a view is, is the page's own.

import * as address from "/assets/shell/address.js";
import { find } from "/assets/controls/element.js";
import { calm, say, shell, trouble } from "/assets/shell/shell.js";

export class Views {
  /**
   * `open(views, asked)` promises the view of an address, {title, root, and close() where it has something to end};
   * `lost(asked)` is the title over nothing where it cannot be had; `crumbs(asked)` are the links above.
   */
  constructor(place, { open, lost, crumbs }) {
    Object.assign(this, { place, open, lost, crumbs, system: null, models: [], current: null, turn: 0 });
    addEventListener("hashchange", () => this.moved());
    shell(async ({ system, models }) => {
      Object.assign(this, { system, models });
      await this.show();
    });
  }

  /** Goes to what `values` name, shows it as it is now, and says `told`. */
  async go(values, told = "") {
    if (address.hash(values) !== address.hash(address.read())) address.go(values);
    await this.show();
    find("h1").focus();
    if (told) say(told, true);
  }

  /** Shows what the address names. A view that a later one overtook is not shown. */
  async show() {
    const mine = ++this.turn;
    const asked = address.read();
    this.current?.close?.();
    this.current = null;
    const view = await this.open(this, asked).catch((error) => {
      if (mine === this.turn) this.put({ title: this.lost(asked), root: "" }, asked);
      throw error;
    });
    if (mine !== this.turn) {
      view.close?.();
      return;
    }
    this.current = view;
    this.put(view, asked);
  }

  put(view, asked) {
    find(this.place).replaceChildren(view.root);
    find("h1").replaceChildren(view.title);
    find("#where").replaceChildren(...this.crumbs(asked));
    document.title = `${view.title} · Cocircle`;
  }

  async moved() {
    if (!this.system) return;
    calm();
    try {
      await this.show();
      find("h1").focus();
    } catch (error) {
      trouble(error);
    }
  }
}
