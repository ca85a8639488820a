// How sure an answer must be: a false match rate, or a cosine where the model pack has no calibration.

import { element, find } from "/assets/controls/element.js";
import * as words from "/assets/shell/words.js";

const RATES = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
const COSINES = [0.3, 0.35, 0.4, 0.45, 0.5, 0.6];

export class Strictness {
  constructor(onChange) {
    this.select = find("#strictness");
    this.select.addEventListener("change", onChange);
    this.rated = true;
  }

  /** Offers what the service's pack allows. */
  offer(calibrated) {
    this.rated = calibrated;
    find("label[for=strictness]").textContent = calibrated ? "Accept a stranger" : "Accept from cosine";
    const usual = calibrated ? [element("option", { value: "" }, "as the service is set")] : [];
    const values = calibrated ? RATES : COSINES;
    const said = (value) => (calibrated ? `${words.oneIn(value)} times` : words.cosine(value));
    this.select.replaceChildren(...usual, ...values.map((value) => element("option", { value }, said(value))));
    if (!calibrated) this.select.value = "0.4";
  }

  /** Names the service's own rate: it is another one for searches than for comparisons. */
  sayUsual(rate) {
    if (this.rated && rate) this.select.options[0].textContent = `as the service is set (${words.oneIn(rate)})`;
  }

  /** As the API takes it. */
  limit() {
    if (!this.select.value) return {};
    return this.rated ? { max_fmr: this.select.value } : { threshold: this.select.value };
  }
}
