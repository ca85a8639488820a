// One line of the audit in words. Asks the service nothing.

import * as address from "/assets/shell/address.js";
import { element } from "/assets/controls/element.js";
import { fact } from "/assets/controls/values.js";
import * as words from "/assets/shell/words.js";

export const ACTIONS = [
  "create_collection",
  "change_collection",
  "delete_collection",
  "create_person",
  "change_person",
  "delete_person",
  "merge",
  "enrol",
  "move_face",
  "delete_face",
  "import",
  "export",
  "export_fetched",
  "reembed",
  "rebuild",
  "job_made",
  "job_upload",
  "job_started",
  "job_resumed",
  "job_deleted",
  "cancelled",
  "key_created",
  "key_revoked",
  "identify",
  "verify",
  "searches_lost",
];

export const COLUMNS = ["Line", "When", "By", "What", "Collection", "Faces", "Outcome", "More"];

export const actionWord = (code) => code.replaceAll("_", " ");

export function auditCells(line) {
  return [
    String(line.number),
    words.moment(line.at),
    line.actor,
    actionWord(line.action),
    line.collection ?? "",
    line.faces ? words.plain(line.faces) : "",
    line.outcome.replaceAll("_", " "),
    more(line),
  ];
}

function more(line) {
  const known = {
    About: line.about,
    "Person, as a digest": line.subject,
    Request: line.request,
    Job: line.job && element("a", { href: `/jobs${address.hash({ job: line.job })}` }, line.job),
    Hash: line.hash,
  };
  const rows = Object.entries(known).filter(([, value]) => value);
  const label = `More of line ${line.number}`;
  return element(
    "details",
    {},
    element("summary", { "aria-label": label }, line.about?.length > 20 || !line.about ? "more" : line.about),
    element("dl", { class: "values narrow-values" }, ...rows.map(([name, value]) => fact(name, value))),
  );
}
