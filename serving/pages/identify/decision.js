// Says in words and on a scale what one comparison came to. Asks the service nothing.

import { element } from "/assets/controls/element.js";
import { meaning, scale } from "/assets/identify/faces.js";
import * as words from "/assets/shell/words.js";

/** `answer` is a Decision of the API; `yes` and `no` are the words for a match and for none. */
export function decision(answer, yes, no) {
  const level = answer.match_level === null || answer.extrapolated ? "" : `, match level ${answer.match_level.toFixed(1)}`;
  const score = `Cosine ${words.cosine(answer.cosine)}${level}; the threshold is ${words.cosine(answer.threshold)}.`;
  return [
    element("p", { class: answer.match ? "name" : "name unknown" }, answer.match ? yes : no),
    scale(answer.cosine, answer.threshold),
    element("p", { class: "score" }, score),
    meaning(answer),
  ].filter(Boolean);
}
