// Makes elements. Text goes in as text only, never as markup: what the API says cannot become part of the page.

const SVG = "http://www.w3.org/2000/svg";

/** `element("p", { class: "quiet" }, "text", otherElement)` */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export const find = (selector, within = document) => within.querySelector(selector);

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}
