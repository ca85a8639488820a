// Renders what is known of each face as a list: quality, reasons, and who it may be. Asks the service nothing.

import { hash } from "/assets/shell/address.js";
import { element } from "/assets/controls/element.js";
import * as words from "/assets/shell/words.js";

/**
 * One card a face. `answers[i]` is the IdentifiedFace of face i, or undefined where nobody was asked;
 * `search` is {collection, gallery_size, threshold} of that search, or null.
 */
export function cards(faces, answers, search, chosen, onChoose) {
  return faces.map((face, index) =>
    element(
      "article",
      { class: index === chosen ? "card chosen" : "card", "data-face": index, "aria-label": `Face ${index + 1}` },
      faces.length > 1 ? chooser(index, index === chosen, onChoose) : null,
      ...(search && answers[index] ? verdict(answers[index].candidates, search) : []),
      quality(face),
    ),
  );
}

/** A cosine on a line from 0 to 1 with the threshold as a tick; the numbers beside it say the same. */
export function scale(cosine, threshold) {
  const fill = element("span", { class: "fill" });
  const tick = element("span", { class: "tick" });
  fill.style.width = percent(cosine);
  tick.style.left = percent(threshold);
  return element("span", { class: "scale", "aria-hidden": "true" }, fill, tick);
}

/** What the false match rate of `hit` means; null where the pack has no calibration. */
export function meaning(hit, where = "") {
  const told = words.stranger(hit.false_match_rate, hit.extrapolated, where);
  return told ? element("p", { class: "meaning" }, told) : null;
}

function chooser(index, checked, onChoose) {
  const input = element("input", { type: "radio", name: "face", value: index, id: `face-${index}` });
  input.checked = checked;
  input.addEventListener("change", () => onChoose(index));
  return element("div", { class: "pick" }, input, element("label", { for: `face-${index}` }, `Face ${index + 1}`));
}

function verdict(candidates, search) {
  if (!candidates.length) return unknown(search);
  const [best, ...others] = candidates;
  return [
    element("p", { class: "name" }, element("a", { href: pageOf(search.collection, best) }, best.name || best.person_id)),
    best.name ? element("p", { class: "quiet" }, best.person_id) : null,
    scale(best.cosine, search.threshold),
    element("p", { class: "score" }, score(best, search.threshold)),
    meaning(best, " searched here"),
    others.length ? alternatives(others, search) : null,
  ].filter(Boolean);
}

function unknown({ collection, gallery_size: size, threshold }) {
  const all = `${collection} (${words.count(size, "template")})`;
  const told = size
    ? `Nobody in ${all} reaches the threshold of cosine ${words.cosine(threshold)}.`
    : `${collection} is empty: nobody is enrolled yet.`;
  return [element("p", { class: "name unknown" }, "Unknown"), element("p", { class: "meaning" }, told)];
}

function alternatives(others, search) {
  const rows = others.map((hit) =>
    element(
      "li",
      {},
      element("a", { href: pageOf(search.collection, hit) }, hit.name || hit.person_id),
      element("span", {}, words.cosine(hit.cosine)),
    ),
  );
  const told = `${words.count(others.length, "other")} above the threshold`;
  return element("details", { class: "others" }, element("summary", {}, told), element("ul", {}, ...rows));
}

function score(best, threshold) {
  const level = best.match_level === null || best.extrapolated ? "" : `, match level ${best.match_level.toFixed(1)}`;
  return `Cosine ${words.cosine(best.cosine)}${level}; the threshold is ${words.cosine(threshold)}.`;
}

function quality(face) {
  const { quality: q, reasons } = face;
  const facts = [
    ["quality", q.score.toFixed(2)],
    ["size", `${Math.round(q.face_size)} px`],
    ["sharpness", Math.round(q.sharpness)],
    ["brightness", Math.round(q.brightness)],
    ["turned", [q.yaw, q.pitch, q.roll].map(words.degrees).join(", ")],
  ];
  const list = element("dl", { class: "facts" });
  for (const [name, value] of facts) {
    list.append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
  }
  return element("div", {}, list, reasons.length ? against(reasons) : null);
}

function against(reasons) {
  const items = reasons.map((code) => element("li", {}, words.reason(code)));
  return element("div", { class: "reasons" }, element("span", {}, "weak points"), element("ul", {}, ...items));
}

const pageOf = (collection, hit) => `/people${hash({ collection, person: hit.person_id })}`;

const percent = (value) => `${100 * Math.min(1, Math.max(0, value))}%`;
