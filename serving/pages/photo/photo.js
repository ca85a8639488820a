// One place for a photo: dropped, chosen, pasted or taken; shows it under an overlay. What is done with it is others'.

import * as camera from "/assets/photo/camera.js";
import { element, find, shape } from "/assets/controls/element.js";
import * as overlay from "/assets/photo/overlay.js";

/** Fills `root`, whose `data-label` says which photo it is. `onPhoto(file)` is called for each new photo, `onTrouble(words)` else. */
export class PhotoSlot {
  constructor(root, { onPhoto, onTrouble }) {
    this.onPhoto = onPhoto;
    this.onTrouble = onTrouble;
    this.photo = null;
    this.stream = null;
    this.shown = null;
    this.ready = null;
    this.showable = false;
    root.append(...parts());
    this.root = root;
    this.stage = find(".stage", root);
    this.picture = find(".picture", root);
    this.image = find("img", root);
    this.svg = find(".overlay", root);
    this.video = find(".live", root);
    this.note = find(".note", root);
    this.input = find("input[type=file]", root);
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", root.dataset.label);
    this.input.setAttribute("aria-label", `${root.dataset.label}, file`);
    this.listen();
  }

  listen() {
    find(".choose", this.root).addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => {
      if (this.input.files.length) this.take(this.input.files[0]);
      this.input.value = "";
    });
    find(".camera", this.root).addEventListener("click", () => this.openCamera());
    find(".shoot", this.root).addEventListener("click", () => this.shoot());
    find(".stop", this.root).addEventListener("click", () => this.closeCamera());
    this.stage.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.stage.classList.add("over");
    });
    this.stage.addEventListener("dragleave", () => this.stage.classList.remove("over"));
    this.stage.addEventListener("drop", (event) => {
      event.preventDefault();
      this.stage.classList.remove("over");
      const [file] = event.dataTransfer.files;
      if (file) this.take(file);
      else this.onTrouble("What was dropped is not a file. Drop a photo from a folder.");
    });
    new ResizeObserver(() => overlay.fitLabels(this.svg)).observe(this.picture);
  }

  /** Shows `file` and hands it on. `ready` settles when it is shown, or cannot be by this browser. */
  take(file) {
    this.closeCamera();
    this.photo = file;
    this.note.hidden = true;
    overlay.clear(this.svg);
    this.ready = this.display(file);
    this.onPhoto(file);
  }

  async display(file) {
    URL.revokeObjectURL(this.shown);
    this.shown = URL.createObjectURL(file);
    this.image.src = this.shown;
    this.image.alt = `${this.root.dataset.label}: ${file.name}`;
    this.showable = true;
    try {
      await this.image.decode();
      if (this.photo !== file) return;
      this.frame(this.image.naturalWidth, this.image.naturalHeight);
    } catch {
      if (this.photo !== file) return;
      this.showable = false;
      this.image.removeAttribute("src");
      this.show(null);
    }
  }

  /** Boxes and landmarks of `faces`. `size` is the image's in pixels; without it, one face says it by its box. */
  mark(faces, size = sizeFrom(faces[0]), chosen = -1) {
    if (!this.showable) {
      // A type this browser cannot show may still be one the service reads.
      this.frame(size.width, size.height);
      this.note.textContent = "This browser cannot show this type of image; the service could read it.";
      this.note.hidden = false;
    }
    overlay.draw(this.svg, size, faces, chosen);
  }

  frame(width, height) {
    this.picture.style.setProperty("--ratio", width / height);
    this.show(this.picture);
  }

  async openCamera() {
    try {
      this.stream = await camera.open(this.video);
    } catch (error) {
      this.onTrouble(error.message);
      return;
    }
    this.show(this.video);
    find(".shoot", this.root).focus();
  }

  async shoot() {
    const file = await camera.shoot(this.video);
    this.take(file);
    find(".camera", this.root).focus();
  }

  closeCamera() {
    if (!this.stream) return;
    camera.close(this.video, this.stream);
    this.stream = null;
    this.show(this.photo && this.showable ? this.picture : null);
  }

  show(what) {
    const live = what === this.video;
    this.picture.hidden = what !== this.picture;
    this.video.hidden = !live;
    find(".hint", this.root).hidden = what !== null;
    for (const name of [".choose", ".camera"]) find(name, this.root).hidden = live;
    for (const name of [".shoot", ".stop"]) find(name, this.root).hidden = !live;
  }
}

function parts() {
  const tool = (kind, told) => element("button", { type: "button", class: kind }, told);
  const picture = element(
    "div",
    { class: "picture" },
    element("img", { alt: "" }),
    shape("svg", { class: "overlay", "aria-hidden": "true", preserveAspectRatio: "none" }),
  );
  const live = element("video", { class: "live", playsinline: "", "aria-label": "Camera picture" });
  const tools = [
    tool("choose", "Choose a photo"),
    tool("camera", "Use the camera"),
    tool("shoot strong", "Take the photo"),
    tool("stop plain", "Close the camera"),
  ];
  const input = element("input", {
    type: "file",
    class: "hidden",
    tabindex: "-1",
    accept: "image/jpeg,image/png,image/webp,image/bmp,.pgm",
  });
  const note = element("p", { class: "note quiet" });
  live.muted = true;
  for (const later of [picture, live, tools[2], tools[3], note]) later.hidden = true;
  return [
    element("div", { class: "stage" }, picture, live, element("p", { class: "hint" }, "Drop a photo here, or paste one")),
    element("div", { class: "row tools" }, ...tools, input),
    note,
  ];
}

/** The part of `photo` around `box`, with room for a detector to see a face in it, as a PNG file. */
export async function cut(photo, box) {
  const bitmap = await createImageBitmap(photo);
  const room = 0.45;
  const left = Math.max(0, Math.floor(box.left - box.width * room));
  const top = Math.max(0, Math.floor(box.top - box.height * room));
  const right = Math.min(bitmap.width, Math.ceil(box.left + box.width * (1 + room)));
  const bottom = Math.min(bitmap.height, Math.ceil(box.top + box.height * (1 + room)));
  const canvas = document.createElement("canvas");
  canvas.width = right - left;
  canvas.height = bottom - top;
  canvas.getContext("2d").drawImage(bitmap, -left, -top);
  bitmap.close();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], "face.png", { type: "image/png" });
}

const sizeFrom = ({ box, box_fraction: part }) => ({
  width: Math.round(box.width / part.width),
  height: Math.round(box.height / part.height),
});
