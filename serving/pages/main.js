// Starts the page and holds what its parts share: status line, alerts, the API key, the choice of strictness.

import * as api from "/assets/api.js";
import { Collections } from "/assets/collections.js";
import { find } from "/assets/element.js";
import { Identify } from "/assets/identify.js";
import { Strictness } from "/assets/strictness.js";
import { tabs } from "/assets/tabs.js";
import { Verify } from "/assets/verify.js";
import * as words from "/assets/words.js";

const alertBox = find("#alert");
const status = find("#status");
const keyPanel = find("#key");
const keyText = find("#key-text");
const panels = { "tab-identify": find("#panel-identify"), "tab-verify": find("#panel-verify") };

let usual = {};

const page = {
  say(told, visible = false) {
    status.textContent = told;
    status.classList.toggle("hidden", !visible);
    status.classList.toggle("done", visible);
  },
  trouble(error) {
    alertBox.textContent = typeof error === "string" ? error : words.refusal(error);
    alertBox.hidden = false;
    if (error.status === 401) askForKey();
  },
  calm() {
    alertBox.hidden = true;
    alertBox.textContent = "";
    this.say("");
  },
  limit: () => strictness.limit(),
  collection: () => collections.value,
  refresh: () => collections.refresh(),
};

const collections = new Collections({
  onChange: () => identify.again(),
  onTrouble: (error) => page.trouble(error),
});
const strictness = new Strictness(() => {
  if (!panels["tab-identify"].hidden) identify.again();
  else verify.compare();
});
const identify = new Identify(page);
const verify = new Verify(page);

/** Reads what the service is, so that the page can say it; asks for a key where one is needed. */
async function connect() {
  page.calm();
  find("#key-state").textContent = api.key.get() ? "in use" : "";
  try {
    const system = await api.system();
    const { items } = await api.models();
    find("#service").textContent = `${system.version} · ${items.map((item) => item.name).join(", ")}`;
    keyPanel.hidden = !system.keys_required;
    usual = { "tab-identify": system.identify_max_fmr, "tab-verify": system.verify_max_fmr };
    strictness.offer(items[0].calibration !== null);
    sayUsual();
    await collections.refresh();
    // A photo may have come before the list of collections did.
    await identify.again();
  } catch (error) {
    page.trouble(error);
  }
}

function sayUsual() {
  strictness.sayUsual(usual[panels["tab-verify"].hidden ? "tab-identify" : "tab-verify"]);
}

function askForKey() {
  keyPanel.hidden = false;
  keyPanel.open = true;
  keyText.focus();
}

find("#key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.key.set(keyText.value.trim());
  keyText.value = "";
  keyPanel.open = false;
  connect();
});
find("#key-forget").addEventListener("click", () => {
  api.key.set("");
  keyText.value = "";
  connect();
});

tabs(find("[role=tablist]"), () => {
  page.calm();
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

// A photo dropped beside its place must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());

connect();
