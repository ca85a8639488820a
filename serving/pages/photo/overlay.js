// Draws boxes and landmarks over a photo, in the photo's own pixels so that they scale with it. Knows no API calls.

import { shape } from "/assets/controls/element.js";

const LABEL = 13; // CSS pixels, whatever the photo's size on screen

/** Shows `faces` (FaceOut) of an image of `size` {width, height} on `svg`; `chosen` is emphasised. */
export function draw(svg, size, faces, chosen = -1) {
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  svg.replaceChildren(...faces.map((face, index) => mark(face, index, faces.length > 1, index === chosen)));
  fitLabels(svg);
}

export const clear = (svg) => svg.replaceChildren();

/** Labels keep their size on screen; call again when the picture's size on screen changed. */
export function fitLabels(svg) {
  const wide = svg.getBoundingClientRect().width;
  if (!wide || !svg.viewBox.baseVal?.width) return;
  const unit = svg.viewBox.baseVal.width / wide;
  for (const text of svg.querySelectorAll("text")) {
    text.setAttribute("font-size", LABEL * unit);
    text.setAttribute("dx", 6 * unit);
    text.setAttribute("dy", (LABEL + 5) * unit);
  }
}

function mark(face, index, numbered, chosen) {
  const { left, top, width, height } = face.box;
  const frame = { x: left, y: top, width, height, rx: Math.min(width, height) * 0.06 };
  const dot = Math.max(width, height) * 0.017;
  return shape(
    "g",
    { class: chosen ? "face chosen" : "face", "data-face": index },
    shape("rect", { ...frame, class: "halo" }),
    shape("rect", { ...frame, class: "box" }),
    ...face.landmarks.map(([x, y]) => shape("circle", { cx: x, cy: y, r: dot, class: "landmark" })),
    numbered ? shape("text", { x: left, y: top, class: "number" }, String(index + 1)) : null,
  );
}
