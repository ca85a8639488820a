// The page of jobs: the list, one job, or the form of a new one, as its address after '#' names.

import { element } from "/assets/controls/element.js";
import { jobForm } from "/assets/jobs/job_form.js";
import { jobList } from "/assets/jobs/job_list.js";
import { jobView } from "/assets/jobs/job_view.js";
import { Views } from "/assets/shell/views.js";

function open(page, asked) {
  if (asked.job) return jobView(page, asked.job);
  return asked.new ? jobForm(page, asked) : jobList(page, asked);
}

const crumbs = (asked) => (asked.job || asked.new ? [element("a", { href: "#all" }, "All jobs")] : []);

new Views("#jobs", { open, lost: () => "Jobs", crumbs });
