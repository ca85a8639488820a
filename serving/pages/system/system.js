// The page of the service itself: what it is stands still; whether it is ready and what it does now are asked again.

import * as api from "/assets/shell/api.js";
import { element, find } from "/assets/controls/element.js";
import { follow } from "/assets/shell/follow.js";
import { Metrics } from "/assets/system/metrics_text.js";
import { shell } from "/assets/shell/shell.js";
import { loadPart, readyPart } from "/assets/system/system_now.js";
import { collectionsPart, limitsPart, modelsPart, whatRuns } from "/assets/system/system_parts.js";

const PAUSE_MS = 5000;
const REFUSED = "This key may not read the metrics: they tell of every collection, and want a key that is not limited to some.";

let end = () => {};
let watched = true; // whether the key may read the metrics

async function now() {
  const [ready, text] = await Promise.all([api.ready(), watched ? metrics() : null]);
  find("#ready").replaceChildren(...readyPart(ready));
  const refused = element("p", { class: "quiet" }, REFUSED);
  find("#load").replaceChildren(...(text === null ? [element("h2", {}, "At work"), refused] : loadPart(new Metrics(text))));
}

/** The text, or null where the key may not read it. */
async function metrics() {
  try {
    return await api.metrics();
  } catch (error) {
    if (error.status !== 403) throw error;
    watched = false;
    return null;
  }
}

shell(async ({ system, models }) => {
  end();
  watched = true;
  const collections = await api.collections();
  const section = (id, label, ...children) => element("section", { id, "aria-label": label }, ...children);
  find("#system").replaceChildren(
    element(
      "div",
      { class: "two" },
      element("div", {}, section("ready", "Readiness"), section("runs", "What runs", ...whatRuns(system))),
      element("div", {}, section("load", "At work"), section("limits", "Limits", ...limitsPart(system))),
    ),
    section("models", "Models", ...modelsPart(models)),
    section("collections", "Collections", ...collectionsPart(collections, models)),
  );
  await now();
  end = follow(now, PAUSE_MS);
});
