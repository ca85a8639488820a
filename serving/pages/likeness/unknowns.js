// The page of persons nobody knows yet: which groups are shown, and what becomes of them. Cards are in group_card.js.

import { bringForm } from "/assets/likeness/bring_form.js";
import { find } from "/assets/controls/element.js";
import { groupCard } from "/assets/likeness/group_card.js";
import { Looking } from "/assets/likeness/looking.js";
import { stillThere } from "/assets/likeness/person_card.js";
import { say, shell } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

const SHOWN = 12; // members of a group that are shown and assigned at a time; the others stay for the next look

const looking = new Looking({
  kind: "cluster",
  // Also who is alone is shown, to be given a name.
  options: () => ({ prefix: find("#prefix").value, smallest: 1 }),
  suits: (job) => job.result.groups !== undefined && !job.options.enroll && !job.options.merge,
  entries,
  card,
  summary,
  never: "Nobody has grouped the unknowns here yet.",
});

/** Groups as {persons, known, cosine}: first those like somebody known, then the larger ones. */
function entries(findings) {
  const groups = new Map();
  const known = [];
  for (const { cluster, persons, ...rest } of findings) {
    if (!persons) continue;
    if (cluster === null) known.push({ persons, ...rest });
    else groups.set(cluster, [...(groups.get(cluster) ?? []), ...persons]);
  }
  const unknown = [...groups.values()].map((persons) => ({ persons, known: null }));
  unknown.sort((one, other) => other.persons.length - one.persons.length);
  return [...known, ...unknown];
}

async function card(entry, crops) {
  const collection = crops.collection.id;
  const looked = await Promise.all(entry.persons.slice(0, SHOWN).map((id) => stillThere(collection, id)));
  const persons = looked.filter(Boolean);
  const known = entry.known && (await stillThere(collection, entry.known));
  if (!persons.length) return null;
  return groupCard({ crops, persons, known, cosine: entry.cosine, more: entry.persons.length - looked.length, onAssigned });
}

function onAssigned(target, persons, done) {
  looking.settle(done);
  say(`${words.count(persons, "unknown person is", "unknown persons are")} ${target} now.`, true);
}

function summary(job, groups) {
  const { looked_at: looked, known } = job.result;
  if (!looked) return `Nobody here has an id that begins with ${job.options.prefix}.`;
  const all = words.count(looked, "unknown person", "unknown persons");
  const like = known ? ` ${words.count(known, "is", "are")} like somebody known.` : "";
  return `${all} looked at on ${words.day(job.ended_at)}, in ${words.count(groups.length, "group")}.${like}`;
}

const bring = bringForm(looking);

shell(async (service) => {
  bring.most = service.system.max_images;
  await looking.connect(service);
});
