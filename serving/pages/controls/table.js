// A table that a phone shows as cards: each cell carries its column's name. Knows nothing of what is in it.

import { element } from "/assets/controls/element.js";

export class Table {
  /** `label` names the table to a screen reader; `columns` are the names of its columns. */
  constructor(label, columns, attributes = {}) {
    this.columns = columns;
    // The roles stand there because cells that are laid out as blocks would lose them.
    const heads = columns.map((name) => element("th", { scope: "col", role: "columnheader" }, name));
    const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads));
    this.body = element("tbody", { role: "rowgroup" });
    this.root = element("table", { role: "table", "aria-label": label, ...attributes }, head, this.body);
  }

  /** A row of these cells, which are texts, elements or lists of both; it stands nowhere yet. */
  row(cells, attributes = {}) {
    const made = cells.map((cell, at) => {
      // The inner element keeps mixed content together where a card lays name and cell side by side.
      const holder = element("td", { role: "cell", "data-label": this.columns[at] }, element("div"));
      fill(holder, cell);
      return holder;
    });
    return element("tr", { role: "row", ...attributes }, ...made);
  }

  /** Puts rows of these cells behind those that are there. */
  add(...rows) {
    this.body.append(...rows.map((cells) => this.row(cells)));
  }

  clear() {
    this.body.replaceChildren();
  }
}

/** Puts `cell` in the place of what the td `holder` holds. A phone leaves empty cells out. */
export function fill(holder, cell) {
  const parts = [cell].flat().filter((part) => part !== null && part !== "");
  holder.firstChild.replaceChildren(...parts);
}
