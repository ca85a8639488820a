// The page of the audit: filters and pages its lines, saves them, and tells what is to be kept to check it later.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { act, button, onSubmit } from "/assets/shell/action.js";
import { auditCells, COLUMNS } from "/assets/audit/audit_line.js";
import { AuditFilter } from "/assets/audit/audit_filter.js";
import { element, find } from "/assets/controls/element.js";
import { copyButton, save } from "/assets/controls/hand_over.js";
import { Pager } from "/assets/controls/pager.js";
import { unlessRefused } from "/assets/controls/refused.js";
import { say, shell, trouble } from "/assets/shell/shell.js";
import { Table } from "/assets/controls/table.js";

const NEEDED = "The audit tells of every collection: keys of the scope admin that are not limited may look. Give such a key above, or use cocircle audit on the service's machine.";

const filter = new AuditFilter();
const table = new Table("Audit", COLUMNS, { id: "audit-lines", class: "compact" });
const newest = element("div", { class: "newest" });
const pager = new Pager({
  read: (cursor) => api.audit(filter.asked(), cursor),
  show: (items, first) => {
    if (first) table.clear();
    table.add(...items.map(auditCells));
  },
  none: "No line is like that.",
});
const fetchAll = button("Save these lines", async () => {
  const file = await api.auditFile(filter.asked());
  save(file, `audit-${new Date().toISOString().slice(0, 10)}.jsonl`);
  say("The lines are among the browser's downloads, oldest first, a JSON object each.", true);
});

/** The newest line of all, by which anybody can see later that the audit was not made anew. */
async function showNewest() {
  const { items } = await api.audit({}, null, 1);
  if (!items.length) {
    newest.replaceChildren();
    return;
  }
  const text = element("code", { id: "newest" }, `${items[0].number}:${items[0].hash}`);
  const how = element("code", {}, "cocircle audit verify --expect NUMBER:HASH");
  newest.replaceChildren(
    element("h2", {}, "The newest line"),
    element("p", { class: "quiet" }, "Keep it where nobody who may write to the database can; ", how, " checks later that the audit up to it was not made anew."),
    element("div", { class: "copied" }, text, copyButton(text)),
  );
}

async function look() {
  await pager.begin();
  await showNewest();
}

onSubmit(filter.root, async () => {
  address.keep(filter.values());
  await look();
  say("The lines that are like that are shown.");
});
filter.root.addEventListener("reset", () => {
  // The fields are empty only after this event.
  setTimeout(() => {
    address.keep({});
    act(filter.sender, look);
  });
});
addEventListener("hashchange", () => {
  filter.take(address.read());
  look().catch(trouble);
});

shell(() =>
  unlessRefused("#audit", NEEDED, async () => {
    filter.take(address.read());
    await look();
    find("#audit").replaceChildren(filter.root, table.root, pager.root, element("div", { class: "row tools" }, fetchAll), newest);
  }),
);
