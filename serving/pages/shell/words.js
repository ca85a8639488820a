// Says numbers and codes of the API in plain words. Pure functions on values; touches no page.

const REASONS = {
  no_face: "no face found",
  multiple_faces: "several faces where one is wanted",
  small_face: "small face",
  blurred: "blurred",
  dark: "dark",
  extreme_pose: "turned far from the camera",
  low_confidence: "hardly looks like a face",
  invalid_image: "not a readable image",
  too_large: "too large",
  unsupported_type: "not an image type that is read here",
};

export const reason = (code) => REASONS[code] ?? code.replaceAll("_", " ");

/** "1 in 10,000" for 1e-4: two significant digits, and words from a million on. */
export function oneIn(rate) {
  const times = 1 / rate;
  if (!Number.isFinite(times) || times >= 1e15) return "fewer than 1 in a million billion";
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(times)) - 1);
  const rounded = Math.round(times / digits) * digits;
  for (const [size, word] of [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]]) {
    if (rounded >= size) return `1 in ${plain(rounded / size)} ${word}`;
  }
  return `1 in ${plain(rounded)}`;
}

/** What a false match rate means, for one comparison or for a search; "" where the pack has no calibration. */
export function stranger(rate, extrapolated, where = "") {
  if (rate === null) return "";
  if (rate >= 0.5) return `Most strangers${where} would score this high.`;
  // Beyond the calibration's data a number would claim what nobody measured.
  if (extrapolated) return `Strangers${where} who score this high are rarer than the pack's calibration could count.`;
  return `${oneIn(rate)} strangers${where} would score this high.`;
}

export const cosine = (value) => value.toFixed(3).replace("-", "−");

export const degrees = (value) => `${String(Math.round(value) || 0).replace("-", "−")}°`;

/** The day of a moment of the API, as the reader's own language writes it. */
export const day = (moment) => new Date(moment).toLocaleDateString(undefined, { dateStyle: "medium" });

/** The day and the time of day. */
export const moment = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** "about 3 minutes" for 170. */
export function duration(seconds) {
  for (const [size, noun] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds >= 1.5 * size) return `about ${count(Math.round(seconds / size), noun)}`;
  }
  return count(Math.max(1, Math.round(seconds)), "second");
}

/** "20 MB", "1.5 GB": powers of 1024. */
export function bytes(number) {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(1, number)) / 10));
  return `${plain(number / 1024 ** power)} ${["bytes", "kB", "MB", "GB", "TB"][power]}`;
}

export const count = (number, noun, plural = `${noun}s`) => `${plain(number)} ${number === 1 ? noun : plural}`;

/** The refusal's own message, the reasons of each image it refused, and when to come again. */
export function refusal(error) {
  const rejected = error.details?.rejected ?? [];
  const reasons = [...new Set(rejected.flatMap((item) => item.reasons))].map(reason);
  const said = reasons.length ? ` (${reasons.join(", ")})` : "";
  const seconds = error.status === 429 && error.retryAfter ? `${error.retryAfter} s` : "";
  const again = seconds && !error.message.includes(seconds) ? ` Try again in ${seconds}.` : "";
  return `${error.message}${said}${again}`;
}

export const plain = (number) => number.toLocaleString("en", { maximumFractionDigits: 1 });
