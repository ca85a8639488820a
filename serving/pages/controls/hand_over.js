// Hands texts and files over to the person: to the clipboard, or into the browser's downloads.

import { button } from "/assets/shell/action.js";
import { element } from "/assets/controls/element.js";
import { say } from "/assets/shell/shell.js";

/** A button that copies the text of `holder`, and selects it where the browser gives no clipboard. */
export function copyButton(holder, told = "Copy") {
  return button(told, async () => {
    try {
      await navigator.clipboard.writeText(holder.textContent);
      say("Copied.", true);
    } catch {
      // Without https, or without leave, there is no clipboard; what is selected is copied by hand.
      getSelection().selectAllChildren(holder);
      say("The browser gives no clipboard here. The text is selected: copy it with the keyboard.", true);
    }
  });
}

/** Saves `blob` as a file named `name`. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name, hidden: "" });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads it after this turn; a minute is more than it takes to begin.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
