// The form of a new API key, and the one time that the key itself is shown. Keeps it nowhere.

import * as api from "/assets/shell/api.js";
import { button, onSubmit } from "/assets/shell/action.js";
import { element } from "/assets/controls/element.js";
import { choice, field, submit, textField } from "/assets/controls/fields.js";
import { copyButton } from "/assets/controls/hand_over.js";

const SCOPES = [
  ["read", "read: ask who is on a photo"],
  ["enrol", "enrol: also write persons and faces"],
  ["admin", "admin: also collections, keys and the audit"],
];

/** The form; `onMade()` is awaited when a key was made. */
export function keyForm(onMade) {
  const name = textField("key-name", "", { maxlength: "1024" });
  const scope = choice("key-scope", SCOPES);
  const collections = element("textarea", { id: "key-collections", rows: "3", spellcheck: "false", class: "code" });
  const rate = textField("key-rate", "", { type: "number", min: "0", step: "any", max: "1000000" });
  const expiry = textField("key-expiry", "", { type: "datetime-local" });
  const place = element("div", { id: "key-made" });
  const form = element(
    "form",
    { id: "new-key", class: "narrow", autocomplete: "off" },
    element("h2", {}, "A new key"),
    field("Name", name, "What it is for, so that it can be told from others."),
    field("Scope", scope),
    field("Collections", collections, "One a line; team-* is every name that begins so. Empty: all collections."),
    field("Requests a second", rate, "Empty: as the service is set."),
    field("Expires", expiry, "Empty: never. The time is this machine's."),
    element("div", { class: "row" }, submit("Make the key")),
  );
  onSubmit(form, async () => {
    const lines = collections.value.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);
    const made = await api.makeKey({
      name: name.value.trim(),
      scope: scope.value,
      collections: lines.length ? lines : null,
      rate: rate.value ? Number(rate.value) : null,
      expires_at: expiry.value ? new Date(expiry.value).toISOString() : null,
    });
    form.reset();
    shown(place, made);
    await onMade();
  });
  return element("div", {}, place, form);
}

/** Shows a new key until it is put away. */
function shown(place, made) {
  const text = element("code", { id: "key-secret", tabindex: "0", "aria-label": "The new key" }, made.key);
  const away = button("Put it away", () => place.replaceChildren());
  const title = element("h2", { tabindex: "-1" }, `${made.name || made.id} is made`);
  place.replaceChildren(
    element(
      "section",
      { class: "secret", "aria-label": "The new key" },
      title,
      element("p", {}, "This is the only time it is shown. Keep it now where secrets are kept."),
      text,
      element("div", { class: "row tools" }, copyButton(text, "Copy the key"), away),
    ),
  );
  title.focus();
}
