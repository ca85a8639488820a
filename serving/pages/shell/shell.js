// What every page of the service has around its own part: links, the API key, status line, alerts. Knows no page's work.

import * as address from "/assets/shell/address.js";
import * as api from "/assets/shell/api.js";
import { element, find, shape } from "/assets/controls/element.js";
import * as words from "/assets/shell/words.js";

const PAGES = [
  ["/", "Photos"],
  ["/people", "People"],
  ["/unknowns", "Unknowns"],
  ["/duplicates", "Duplicates"],
  ["/jobs", "Jobs"],
  ["/keys", "Keys"],
  ["/audit", "Audit"],
  ["/system", "System"],
  ["/docs", "API"],
];
const OF_A_COLLECTION = new Set(["/", "/people", "/unknowns", "/duplicates"]);

let connected = async () => {};

/**
 * Fills `<header class="top">` and connects. `onConnected({system, models})` is awaited after each connection: at
 * first, and whenever another key is given. What it throws is told as `trouble` tells it.
 */
export function shell(onConnected) {
  connected = onConnected;
  find("header.top").replaceChildren(brand(), keyPanel(), links());
  find(".skip").addEventListener("click", (event) => {
    // The address after '#' is the page's own; the link must not write over it.
    event.preventDefault();
    find("#work").focus();
  });
  // A photo dropped beside its place must not replace the page.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
  connect();
}

/** Tells a screen reader, and with `visible` everybody, what was done. */
export function say(told, visible = false) {
  const status = find("#status");
  status.textContent = told;
  status.classList.toggle("hidden", !visible);
  status.classList.toggle("done", visible);
}

/** Shows what went wrong: an error, or words. Asks for a key where the service wants one. */
export function trouble(error) {
  const alert = find("#alert");
  alert.textContent = typeof error === "string" ? error : words.refusal(error);
  alert.hidden = false;
  alert.scrollIntoView({ block: "nearest" });
  if (error.status === 401) askForKey();
}

/** Takes back what was said and what was wrong. */
export function calm() {
  const alert = find("#alert");
  alert.hidden = true;
  alert.textContent = "";
  say("");
}

async function connect() {
  calm();
  find("#key-state").textContent = api.key.get() ? "in use" : "";
  try {
    const system = await api.system();
    const { items: models } = await api.models();
    find("#service").textContent = `${system.version} · ${models.map((item) => item.name).join(", ")}`;
    find("#key").hidden = !system.keys_required;
    await connected({ system, models });
  } catch (error) {
    if (error.name !== "AbortError") trouble(error);
  }
}

function brand() {
  const circle = (cx) => shape("circle", { cx, cy: 12, r: 10.5 });
  return element(
    "div",
    { class: "brand" },
    shape("svg", { class: "mark", viewBox: "0 0 36 24", "aria-hidden": "true" }, circle(12), circle(24)),
    element("a", { class: "home", href: "/" }, "Cocircle"),
    element("p", { id: "service", class: "quiet" }),
  );
}

function links() {
  const nav = element("nav", { "aria-label": "Pages" });
  for (const [href, title] of PAGES) {
    const here = href === location.pathname ? { "aria-current": "page" } : {};
    nav.append(element("a", { href, ...here }, title));
  }
  // The chosen collection goes along to the pages that have one.
  nav.addEventListener("click", ({ target }) => {
    const href = target.getAttribute("href");
    const { collection } = address.read();
    if (collection && OF_A_COLLECTION.has(href)) target.href = href + address.hash({ collection });
  });
  return nav;
}

function keyPanel() {
  const text = element("input", {
    id: "key-text",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "key-hint",
  });
  const forget = element("button", { type: "button", id: "key-forget", class: "plain" }, "Forget");
  const form = element(
    "form",
    { id: "key-form", class: "panel", autocomplete: "off" },
    element("label", { for: "key-text" }, "API key"),
    element("div", { class: "row" }, text, element("button", { type: "submit" }, "Use"), forget),
    element("p", { id: "key-hint", class: "quiet" }, "Kept in this tab only, until it is closed."),
  );
  const summary = element("summary", {}, "API key ", element("span", { id: "key-state", class: "quiet" }));
  const panel = element("details", { id: "key", class: "key", hidden: "" }, summary, form);
  const use = (given) => {
    api.key.set(given);
    text.value = "";
    panel.open = false;
    connect();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use(text.value.trim());
  });
  forget.addEventListener("click", () => use(""));
  return panel;
}

function askForKey() {
  const panel = find("#key");
  panel.hidden = false;
  panel.open = true;
  find("#key-text").focus();
}
