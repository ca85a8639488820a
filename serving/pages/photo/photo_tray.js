// A place for several photos: chosen, dropped, pasted or taken. Each can be taken out again, or carry a word about it.

import * as camera from "/assets/photo/camera.js";
import { element } from "/assets/controls/element.js";
import { trouble } from "/assets/shell/shell.js";
import * as words from "/assets/shell/words.js";

export class PhotoTray {
  /** `label` names the place to a screen reader; ids inside it begin with `id`. */
  constructor(id, label) {
    this.photos = [];
    this.stream = null;
    this.video = element("video", { class: "live", playsinline: "", muted: "", hidden: "", "aria-label": "Camera picture" });
    this.video.muted = true;
    this.input = element("input", {
      type: "file",
      multiple: "",
      class: "hidden",
      tabindex: "-1",
      accept: "image/jpeg,image/png,image/webp,image/bmp,.pgm",
      "aria-label": `${label}, files`,
    });
    this.chooser = this.tool("Choose photos", "choose", () => this.input.click());
    this.opener = this.tool("Use the camera", "camera", () => this.openCamera());
    this.shutter = this.tool("Take the photo", "shoot strong", () => this.shoot());
    this.closer = this.tool("Close the camera", "stop plain", () => this.closeCamera());
    this.shutter.hidden = this.closer.hidden = true;
    this.list = element("ul", { class: "tray", "aria-label": `${label}: photos` });
    this.hint = element("p", { class: "quiet" }, "Or drop photos here, or paste one.");
    this.root = element(
      "div",
      { class: "tray-place", id, role: "group", "aria-label": label },
      this.video,
      element("div", { class: "row tools" }, this.chooser, this.opener, this.shutter, this.closer, this.input),
      this.hint,
      this.list,
    );
    this.listen();
  }

  tool(told, kind, work) {
    const made = element("button", { type: "button", class: kind }, told);
    made.addEventListener("click", work);
    return made;
  }

  listen() {
    this.input.addEventListener("change", () => {
      this.add([...this.input.files]);
      this.input.value = "";
    });
    this.root.addEventListener("dragover", () => this.root.classList.add("over"));
    this.root.addEventListener("dragleave", () => this.root.classList.remove("over"));
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.root.classList.remove("over");
      this.add([...event.dataTransfer.files]);
    });
  }

  /** The files in the order they came. */
  get files() {
    return this.photos.map((photo) => photo.file);
  }

  add(files) {
    for (const file of files) this.photos.push(this.entry(file));
    this.hint.textContent = this.photos.length ? words.count(this.photos.length, "photo") : "Or drop photos here, or paste one.";
  }

  entry(file) {
    const image = element("img", { alt: "" });
    const shown = URL.createObjectURL(file);
    image.src = shown;
    image.addEventListener("error", () => image.replaceWith(element("span", { class: "blank" })));
    const note = element("p", { class: "note" });
    const remove = this.tool("Take out", "plain", () => this.take(photo));
    remove.setAttribute("aria-label", `Take out ${file.name}`);
    const name = element("p", { class: "file" }, file.name);
    const item = element("li", {}, image, element("div", {}, name, note), remove);
    const photo = { file, item, note, shown };
    this.list.append(item);
    return photo;
  }

  take(photo) {
    URL.revokeObjectURL(photo.shown);
    photo.item.remove();
    this.photos.splice(this.photos.indexOf(photo), 1);
    this.add([]);
  }

  /** Takes out the photos of `files`, and says of the others what `notes`, a Map by file, has about them. */
  settle(files, notes) {
    for (const photo of [...this.photos]) {
      if (files.includes(photo.file)) this.take(photo);
      else photo.note.textContent = notes.get(photo.file) ?? photo.note.textContent;
    }
  }

  async openCamera() {
    try {
      this.stream = await camera.open(this.video);
    } catch (error) {
      trouble(error.message);
      return;
    }
    this.show(true);
    this.shutter.focus();
  }

  async shoot() {
    const file = await camera.shoot(this.video);
    const number = this.photos.filter((photo) => photo.file.name.startsWith("camera")).length + 1;
    this.add([new File([file], `camera-${number}.png`, { type: file.type })]);
  }

  closeCamera() {
    if (!this.stream) return;
    camera.close(this.video, this.stream);
    this.stream = null;
    const inside = this.root.contains(document.activeElement);
    this.show(false);
    if (inside) this.opener.focus();
  }

  show(live) {
    this.video.hidden = !live;
    this.chooser.hidden = this.opener.hidden = live;
    this.shutter.hidden = this.closer.hidden = !live;
  }
}
