// Two persons side by side who may be one: how alike they are, in words, and what can be done about it.

import * as api from "/assets/shell/api.js";
import { button } from "/assets/shell/action.js";
import { confirmed } from "/assets/controls/confirm.js";
import { element } from "/assets/controls/element.js";
import { personCard } from "/assets/likeness/person_card.js";
import * as words from "/assets/shell/words.js";

const PICTURES = 2;

/**
 * `pair` is a finding {a, b, cosine, false_match_rate} or {a, b, photos}; `a` and `b` are these persons; `floor` is the
 * least rate that the pack's calibration could count. `onMerge(kept, source, card)`, with ids, and
 * `onDismiss(pair, card)` hear what was done.
 */
export async function pairCard({ crops, pair, a, b, floor, onMerge, onDismiss }) {
  const collection = crops.collection.id;
  const sides = await Promise.all([a, b].map((person) => personCard(crops, person, PICTURES)));
  const merge = (kept, source) =>
    button(`Keep ${kept.id}`, async () => {
      if (await agreed(kept, source)) {
        await api.mergePersons(collection, kept.id, source.id);
        onMerge(kept.id, source.id, card);
      }
    }, { "aria-label": `Keep ${kept.id}: merge ${source.id} into ${kept.id}` });
  const dismiss = button("Two people", () => onDismiss(pair, card), {
    class: "plain",
    "aria-label": `Two people: dismiss ${a.id} and ${b.id}`,
  });
  const card = element(
    "article",
    { class: "pair-card", "aria-label": `${a.id} and ${b.id}`, "data-a": a.id, "data-b": b.id },
    element("div", { class: "sides" }, ...sides),
    element("p", { class: "meaning" }, likeness(pair, floor)),
    element("div", { class: "row tools" }, merge(a, b), merge(b, a), dismiss),
  );
  return card;
}

const agreed = (kept, source) =>
  confirmed({
    title: `Merge ${source.id} into ${kept.id}?`,
    told: `${words.count(source.faces, "face")} go to ${kept.id}; ${source.id}, with name and metadata, is gone.`,
    action: "Merge",
  });

function likeness(pair, floor) {
  if (pair.photos) return `Both were enrolled from ${words.count(pair.photos, "photo that is", "photos that are")} the same.`;
  const meaning = words.stranger(pair.false_match_rate, pair.false_match_rate < floor);
  return `Cosine ${words.cosine(pair.cosine)}. ${meaning}`;
}
