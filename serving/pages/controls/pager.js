// Shows a listing of the API page by page: what is there so far, and a button for more. Knows nothing of what is listed.

import { button } from "/assets/shell/action.js";
import { element } from "/assets/controls/element.js";

export class Pager {
  /** `read(cursor)` is one page of the API; `show(items, first)` puts them where they belong; `none` is said of an empty list. */
  constructor({ read, show, none }) {
    Object.assign(this, { read, show });
    this.more = button("More", () => this.next());
    this.none = element("p", { class: "quiet empty", hidden: "" }, none);
    this.root = element("div", {}, this.none, element("div", { class: "row tools" }, this.more));
    this.more.hidden = true;
  }

  /** Reads from the beginning. A reading that a later one overtook shows nothing. */
  async begin() {
    this.turn = {};
    this.cursor = null;
    await this.next();
  }

  async next() {
    const { turn, cursor } = this;
    const page = await this.read(cursor);
    if (turn !== this.turn) return;
    this.show(page.items, cursor === null);
    this.cursor = page.next;
    this.more.hidden = !page.next;
    this.none.hidden = cursor !== null || page.items.length > 0;
  }
}
