// From when on a job takes two persons for one: a rate of strangers, or a cosine where the pack has no calibration.

import { element, find } from "/assets/controls/element.js";
import * as words from "/assets/shell/words.js";

const USUAL = 1e-6; // what the service's jobs take without being told
const RATES = [1e-3, 1e-4, 1e-5, USUAL, 1e-7];
const COSINES = [0.3, 0.35, 0.4, 0.45, 0.5, 0.6];

export class Likeness {
  constructor() {
    this.select = find("#likeness");
  }

  /** Offers what the collection's pack allows. */
  offer(calibrated) {
    if (this.rated === calibrated) return;
    this.rated = calibrated;
    find("label[for=likeness]").textContent = calibrated ? "Strangers as alike as that" : "Alike from cosine";
    const said = (value) => (calibrated ? words.oneIn(value) : words.cosine(value));
    const values = calibrated ? RATES : COSINES;
    this.select.replaceChildren(...values.map((value) => element("option", { value }, said(value))));
    this.select.value = String(calibrated ? USUAL : 0.45);
  }

  /** As the options of a job take it. */
  options() {
    const value = Number(this.select.value);
    return this.rated ? { max_fmr: value } : { threshold: value };
  }
}
