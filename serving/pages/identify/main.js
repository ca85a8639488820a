// Starts the page "Who is it?" and holds what its two tabs share: the collection and the choice of strictness.

import { Collections } from "/assets/identify/collections.js";
import { find } from "/assets/controls/element.js";
import { Identify } from "/assets/identify/identify.js";
import { calm, say, shell, trouble } from "/assets/shell/shell.js";
import { Strictness } from "/assets/identify/strictness.js";
import { tabs } from "/assets/controls/tabs.js";
import { Verify } from "/assets/identify/verify.js";

const panels = { "tab-identify": find("#panel-identify"), "tab-verify": find("#panel-verify") };

let usual = {};

const page = {
  say,
  trouble,
  calm,
  limit: () => strictness.limit(),
  collection: () => collections.value,
  refresh: () => collections.refresh(),
};

const collections = new Collections({ onChange: () => identify.again(), onTrouble: trouble });
const strictness = new Strictness(() => {
  if (!panels["tab-identify"].hidden) identify.again();
  else verify.compare();
});
const identify = new Identify(page);
const verify = new Verify(page);

function sayUsual() {
  strictness.sayUsual(usual[panels["tab-verify"].hidden ? "tab-identify" : "tab-verify"]);
}

tabs(find("[role=tablist]"), () => {
  calm();
  sayUsual();
});

// A pasted photo goes where the eye is: the one place, or the first empty one of two.
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"));
  if (!file) return;
  event.preventDefault();
  const [a, b] = verify.slots;
  const slot = panels["tab-verify"].hidden ? identify.slot : a.photo ? b : a;
  slot.take(file);
});

shell(async ({ system, models }) => {
  usual = { "tab-identify": system.identify_max_fmr, "tab-verify": system.verify_max_fmr };
  strictness.offer(models[0].calibration !== null);
  sayUsual();
  await collections.refresh();
  // A photo may have come before the list of collections did.
  await identify.again();
});
