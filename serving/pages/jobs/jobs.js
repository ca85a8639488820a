// The page of jobs: shows the list, one job, or the form of a new one, as its address after '#' names.

import * as address from "/assets/shell/address.js";
import { element, find } from "/assets/controls/element.js";
import { jobForm } from "/assets/jobs/job_form.js";
import { jobList } from "/assets/jobs/job_list.js";
import { jobView } from "/assets/jobs/job_view.js";
import { calm, say, shell, trouble } from "/assets/shell/shell.js";

const page = {
  system: null,
  models: [],
  /** Goes to what `values` name, shows it as it is now, and says `told`. */
  async go(values, told = "") {
    if (address.hash(values) !== address.hash(address.read())) address.go(values);
    await show();
    find("h1").focus();
    if (told) say(told, true);
  },
};

let turn = 0;
let current = null;

/** Shows what the address names. A view that a later one overtook is not shown. */
async function show() {
  const mine = ++turn;
  const asked = address.read();
  current?.close();
  current = null;
  const view = await viewOf(asked).catch((error) => {
    if (mine === turn) put({ title: "Jobs", root: "" }, asked);
    throw error;
  });
  if (mine !== turn) {
    view.close();
    return;
  }
  current = view;
  put(view, asked);
}

function viewOf(asked) {
  if (asked.job) return jobView(page, asked.job);
  return asked.new ? jobForm(page, asked) : jobList(page, asked);
}

function put(view, { job, new: wanted }) {
  find("#jobs").replaceChildren(view.root);
  find("h1").replaceChildren(view.title);
  find("#where").replaceChildren(...(job || wanted ? [element("a", { href: "#all" }, "All jobs")] : []));
  document.title = `${view.title} · Cocircle`;
}

addEventListener("hashchange", async () => {
  if (!page.system) return;
  calm();
  try {
    await show();
    find("h1").focus();
  } catch (error) {
    trouble(error);
  }
});

shell(async ({ system, models }) => {
  Object.assign(page, { system, models });
  await show();
});
