// Makes unknown persons of photos: uploads them to a job that enrols whom nobody knows, then groups all unknown ones.

import { onSubmit } from "/assets/shell/action.js";
import * as api from "/assets/shell/api.js";
import { find } from "/assets/controls/element.js";
import { finished, progress } from "/assets/likeness/job_run.js";
import { PhotoTray } from "/assets/photo/photo_tray.js";
import { say } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

/** Fills the form. `most` of what is returned is how many photos the service takes at once. */
export function bringForm(looking) {
  const tray = new PhotoTray("bring-photos", "Photos of unknown people");
  const form = { most: 1 };
  find("#bring-place").append(tray.root);
  onSubmit(find("#bring-form"), async () => {
    const files = tray.files;
    if (!files.length) throw new Error("Choose or take a photo first.");
    if (!looking.choice.value) throw new Error("Make a collection first, on the page People.");
    tray.closeCamera();
    const signal = looking.begin();
    const made = await begun(looking, files, form.most);
    const job = await finished(made, (now) => (looking.told.textContent = progress(now)), signal);
    tray.settle(files, new Map());
    await looking.choice.refresh();
    await looking.look();
    say(summary(job), true);
  });
  return form;
}

/** A job that has all of `files`. */
async function begun(looking, files, most) {
  const options = { ...looking.likeness.options(), photos: { kind: "uploads" }, enroll: true, smallest: 1, prefix: find("#prefix").value };
  const job = await api.makeJob("cluster", looking.choice.value.id, options, true);
  for (let start = 0; start < files.length; start += most) {
    const part = files.slice(start, start + most);
    await api.addItems(job.id, part, part.map((file, at) => ({ item: `${start + at + 1} ${file.name}` })));
    looking.told.textContent = `Sent: ${start + part.length} of ${words.count(files.length, "photo")}.`;
  }
  return api.startJob(job.id);
}

function summary({ result, rejected }) {
  const made = words.count(result.groups, "unknown person is", "unknown persons are");
  const known = result.known ? ` ${words.count(result.known, "face is", "faces are")} of people who are known here.` : "";
  const unfit = rejected ? ` ${words.count(rejected, "photo has", "photos have")} no face that is fit.` : "";
  return `${words.count(result.looked_at, "face")} found; ${made} new.${known}${unfit}`;
}
