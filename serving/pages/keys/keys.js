// The page of API keys: lists and revokes them. The form of a new one is in key_form.js.

import * as api from "/assets/shell/api.js";
import { button } from "/assets/shell/action.js";
import { confirmed } from "/assets/controls/confirm.js";
import { element, find } from "/assets/controls/element.js";
import { keyForm } from "/assets/keys/key_form.js";
import { unlessRefused } from "/assets/controls/refused.js";
import { say, shell } from "/assets/shell/shell.js";
import { Table } from "/assets/controls/table.js";
import * as words from "/assets/shell/words.js";

const COLUMNS = ["Key", "May", "Collections", "Rate", "Expires", "Made", "Last used", "Revoke"];
const NEEDED = "Keys are looked after by keys of the scope admin that are not limited to some collections. Give such a key above, or use cocircle keys on the service's machine.";
const MAY = {
  read: "read: ask",
  enrol: "enrol: ask, and write persons and faces",
  admin: "admin: everything",
};

const table = new Table("Keys", COLUMNS, { id: "key-list" });

async function list() {
  const { items } = await api.keys();
  table.clear();
  for (const key of items) table.body.append(table.row(cells(key), { "data-key": key.id }));
}

function cells(key) {
  const over = key.expires_at && new Date(key.expires_at) <= new Date();
  return [
    [element("strong", {}, key.name || key.id), key.name ? element("span", { class: "quiet code-line" }, ` ${key.id}`) : "", mine(key) ? " (in use here)" : ""],
    MAY[key.scope] ?? key.scope,
    key.collections ? key.collections.join(", ") : "all",
    key.rate === null ? "as the service is set" : `${words.plain(key.rate)} a second`,
    key.expires_at ? `${words.moment(key.expires_at)}${over ? ": over" : ""}` : "never",
    words.day(key.created_at),
    key.last_used ? words.moment(key.last_used) : "never",
    button("Revoke", () => revoke(key), { class: "danger", "aria-label": `Revoke ${key.name || key.id}` }),
  ];
}

const mine = ({ id }) => api.key.get().split("_")[1] === id;

async function revoke(key) {
  const sure = await confirmed({
    title: `Revoke ${key.name || key.id}?`,
    told: `Whoever asks with this key is refused from the next request on. ${mine(key) ? "It is the key that this page itself asks with. " : ""}It cannot be brought back.`,
    action: "Revoke the key",
  });
  if (!sure) return;
  await api.revokeKey(key.id);
  await list();
  say(`${key.name || key.id} is revoked.`, true);
}

shell(({ system }) =>
  unlessRefused("#keys", NEEDED, async () => {
    await list();
    const off = element("p", { class: "note-line" }, "Keys are off here: this service answers this machine without one. Keys that are made now count where they are on.");
    const form = keyForm(list);
    find("#keys").replaceChildren(...(system.keys_required ? [] : [off]), table.root, form);
  }),
);
