// What a service is doing at this moment, in words: ready or not, and the load that its metrics tell of. Asks nothing.

import { element } from "/assets/controls/element.js";
import { Table } from "/assets/controls/table.js";
import * as told from "/assets/jobs/job_words.js";
import { fact } from "/assets/controls/values.js";
import * as words from "/assets/shell/words.js";

/** From the answer of /readyz. */
export function readyPart({ ready, lagging }) {
  const words = ready
    ? "Models are warm, and every acknowledged write is searchable."
    : "Not every acknowledged write is searchable yet; what lags:";
  const state = element("p", {}, element("span", { class: "state", "data-state": ready ? "done" : "failed" }, ready ? "ready" : "not ready"));
  const parts = [element("h2", {}, "Readiness"), state, element("p", {}, words)];
  if (!ready) {
    const table = new Table("Collections that lag", ["Collection", "Written", "Searchable", "Behind"]);
    table.add(...lagging.map((one) => [one.collection, ...[one.store_revision, one.engine_revision, one.store_revision - one.engine_revision].map(String)]));
    parts.push(table.root);
  }
  return parts;
}

/** From the metrics of one moment. */
export function loadPart(metrics) {
  const [admitted, places] = [metrics.one("cocircle_admitted_photos") ?? 0, metrics.one("cocircle_queue_places") ?? 0];
  const meter = element("meter", { min: "0", max: places, value: admitted, high: places * 0.8, "aria-label": "Photos at work or waiting" });
  const began = metrics.one("process_start_time_seconds");
  const memory = metrics.one("process_resident_memory_bytes");
  const rows = {
    "Photos at work or waiting": [meter, ` ${admitted} of ${places}`],
    "Answered requests": words.plain(metrics.sum("cocircle_requests_total")),
    "Refused as too much": words.plain(metrics.sum("cocircle_overloaded_total")),
    Database: metrics.one("cocircle_store_up") === 0 ? "does not answer" : "answers",
    "Changes not yet searchable": words.plain(metrics.sum("cocircle_revision_lag")),
    Jobs: jobs(metrics),
    Memory: memory === undefined ? "" : words.bytes(memory),
    "Runs for": began === undefined ? "" : words.duration(Date.now() / 1000 - began),
  };
  const known = Object.entries(rows).filter(([, value]) => value !== "");
  return [element("h2", {}, "At work"), element("dl", { class: "values" }, ...known.map(([name, value]) => fact(name, value)))];
}

function jobs(metrics) {
  const going = metrics.all("cocircle_jobs").filter(({ value }) => value);
  if (!going.length) return "none under way";
  return going.map(({ labels, value }) => `${words.plain(value)} ${told.title(labels.kind)}, ${told.state(labels.state)}`).join("; ");
}
