// Asks before what cannot be undone; for the gravest, by having a word typed. Does nothing itself.

import { element } from "/assets/controls/element.js";
import { field, textField } from "/assets/controls/fields.js";

/** Resolves to true where the person agrees. With `typed`, only after that very text was typed. */
export function confirmed({ title, told, action, typed = "" }) {
  const input = textField("confirm-text");
  const yes = element("button", { type: "submit", class: "danger" }, action);
  const no = element("button", { type: "button" }, "Cancel");
  const form = element(
    "form",
    { autocomplete: "off" },
    element("h2", { id: "confirm-title" }, title),
    element("p", { id: "confirm-told" }, told),
    typed ? field(`Type ${typed} to go on`, input) : null,
    element("div", { class: "row ends" }, no, yes),
  );
  const dialog = element(
    "dialog",
    { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-told" },
    form,
  );
  yes.disabled = typed !== "";
  input.addEventListener("input", () => (yes.disabled = input.value.trim() !== typed));
  no.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("yes");
  });
  document.body.append(dialog);
  dialog.showModal();
  (typed ? input : no).focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue === "yes");
    });
  });
}
