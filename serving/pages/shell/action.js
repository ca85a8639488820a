// One thing that a person asks for: done once at a time, and its trouble told. Knows nothing of what it is.

import { calm, trouble } from "/assets/shell/shell.js";

/** Runs `work` while `button` is off. Returns what it returns; undefined where it failed, which is told, or was let go. */
export async function act(button, work) {
  if (button.disabled) return undefined;
  calm();
  button.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") trouble(error);
    return undefined;
  } finally {
    button.disabled = false;
  }
}

/** A button that does `work`. */
export function button(told, work, attributes = {}) {
  const made = document.createElement("button");
  made.type = "button";
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(told);
  made.addEventListener("click", () => act(made, work));
  return made;
}

/** Does `work` when `form` is sent, with its own submit button off. */
export function onSubmit(form, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(form.querySelector("button[type=submit]"), work);
  });
}
