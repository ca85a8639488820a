// The page of persons who may be one: which pairs are shown, and what becomes of them. A pair's card is in pair_card.js.

import { Looking } from "/assets/likeness/looking.js";
import { pairCard } from "/assets/likeness/pair_card.js";
import { stillThere } from "/assets/likeness/person_card.js";
import { say, shell } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

const DISMISSED = "cocircle-dismissed";

const looking = new Looking({
  kind: "dedup",
  options: () => ({}),
  suits: () => true,
  entries,
  card,
  summary,
  never: "Nobody has looked for duplicates here yet.",
});

/** Pairs that were not dismissed; those from the same photo first, then the most alike. */
function entries(findings, collection) {
  const left = findings.filter((pair) => !dismissed().has(nameOf(collection, pair)));
  return left.sort((one, other) => (other.cosine ?? 2) - (one.cosine ?? 2));
}

async function card(pair, crops, pack) {
  const [a, b] = await Promise.all([pair.a, pair.b].map((id) => stillThere(crops.collection.id, id)));
  if (!a || !b) return null;
  return pairCard({ crops, pair, a, b, floor: pack?.calibration?.floor ?? 0, onMerge, onDismiss });
}

/** `source` is gone, and so is every pair with them: who is left has another template now. */
function onMerge(kept, source, merged) {
  looking.waiting = looking.waiting.filter((pair) => pair.a !== source && pair.b !== source);
  for (const other of looking.found.querySelectorAll("article")) {
    if (other !== merged && [other.dataset.a, other.dataset.b].includes(source)) other.remove();
  }
  looking.settle(merged);
  say(`${source} is merged into ${kept}. Look again to compare ${kept} as a whole.`, true);
}

function onDismiss(pair, dealt) {
  sessionStorage.setItem(DISMISSED, JSON.stringify([...dismissed(), nameOf(looking.crops.collection, pair)]));
  looking.settle(dealt);
  say(`${pair.a} and ${pair.b} are dismissed, in this tab.`, true);
}

const dismissed = () => new Set(JSON.parse(sessionStorage.getItem(DISMISSED) ?? "[]"));

const nameOf = (collection, pair) => `${collection.id}/${pair.a}/${pair.b}`;

function summary(job, pairs) {
  const { compared, expected_by_chance: chance } = job.result;
  const found = `${words.count(compared, "person", "persons")} compared on ${words.day(job.ended_at)}: ${words.count(pairs.length, "pair")}.`;
  if (chance === null) return found;
  const strangers = chance < 0.1 ? "hardly any" : `about ${words.count(chance, "pair")}`;
  return `${found} Of strangers, ${strangers} would come up by chance.`;
}

shell((service) => looking.connect(service));
