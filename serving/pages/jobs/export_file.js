// Takes an exported collection apart into smaller files that are each whole, after its checksum was found right.

import { element } from "/assets/controls/element.js";
import { field } from "/assets/controls/fields.js";
import * as words from "/assets/shell/words.js";

const LARGEST = 512 * 1024 * 1024; // of a file, which stands in the tab's memory
const PART = 4 * 1024 * 1024;
const LINE_FEED = 10;

export class ExportFile {
  /** `most` bytes of one part are read by the service. */
  constructor({ max_image_bytes: most }) {
    this.size = Math.min(PART, most / 2);
    this.input = element("input", { type: "file", id: "upload-file", accept: ".jsonl", required: "" });
    this.root = field("Exported file", this.input, "A .jsonl file that an export made, here or elsewhere.");
  }

  /** What is to be uploaded: [{item, file}]. Throws an Error where the file is not whole. */
  async entries() {
    const [file] = this.input.files;
    if (file.size > LARGEST) {
      throw new Error(`The file has ${words.bytes(file.size)}; a browser takes ${words.bytes(LARGEST)} apart. Use cocircle jobs import.`);
    }
    const parts = await split(new Uint8Array(await file.arrayBuffer()), this.size);
    return parts.map((part, at) => ({ item: `part ${at + 1} of ${parts.length}`, file: part }));
  }
}

/** Blobs of not much more than `size` bytes: a header, some persons' lines, a trailer with their checksum. */
export async function split(bytes, size) {
  const { header, body, sha256 } = taken(bytes);
  if ((await digest(bytes.subarray(0, header.length + body.length))) !== sha256) {
    throw new Error("The checksum is wrong: the file was changed or damaged since it was exported.");
  }
  const parts = [];
  for (const lines of ranges(body, size)) parts.push(await whole(header, lines));
  return parts.length ? parts : [new File([bytes], "part.jsonl")];
}

/** Header, persons' lines, and the checksum of the trailer. */
function taken(bytes) {
  const header = bytes.subarray(0, bytes.indexOf(LINE_FEED) + 1);
  const last = bytes.lastIndexOf(LINE_FEED, bytes.length - 2) + 1;
  const [first, trailer] = [header, bytes.subarray(last)].map(parsed);
  if (first?.format !== "cocircle-collection") throw new Error("This is no exported collection.");
  if (bytes.at(-1) !== LINE_FEED || last <= 0 || typeof trailer?.sha256 !== "string") {
    throw new Error("The last line is no checksum: the file is not whole.");
  }
  return { header, body: bytes.subarray(header.length, last), sha256: trailer.sha256 };
}

/** Whole lines, not much more than `size` bytes of them at a time. */
function* ranges(body, size) {
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf(LINE_FEED, Math.min(start + size, body.length - 1)) + 1;
    yield body.subarray(start, end);
    start = end;
  }
}

async function whole(header, lines) {
  const persons = text(lines).trimEnd().split("\n").map((line) => JSON.parse(line));
  const faces = persons.reduce((count, person) => count + person.faces.length, 0);
  const sha256 = await digest(await new Blob([header, lines]).arrayBuffer());
  const trailer = JSON.stringify({ persons: persons.length, faces, sha256 });
  return new File([header, lines, `${trailer}\n`], "part.jsonl");
}

async function digest(bytes) {
  if (!crypto.subtle) {
    throw new Error("Browsers compute checksums only on pages served over https or from this machine (localhost).");
  }
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...found].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const text = (bytes) => new TextDecoder().decode(bytes);

function parsed(line) {
  try {
    return JSON.parse(text(line));
  } catch {
    return null;
  }
}
