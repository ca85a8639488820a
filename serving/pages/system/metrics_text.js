// Reads Prometheus' text format, as far as a page shows it: names, labels, values. Asks for nothing.

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPED = { n: "\n" };

/** Every sample as {name, labels, value}. */
export function samples(text) {
  return text.split("\n").map((line) => SAMPLE.exec(line)).filter(Boolean).map(([, name, labels, value]) => ({
    name,
    labels: Object.fromEntries([...(labels ?? "").matchAll(LABEL)].map(([, key, told]) => [key, unescaped(told)])),
    value: Number(value),
  }));
}

/** Those samples of one text by name. */
export class Metrics {
  constructor(text) {
    this.byName = Map.groupBy(samples(text), ({ name }) => name);
  }

  all(name) {
    return this.byName.get(name) ?? [];
  }

  /** The one value of this name and these labels; undefined where there is none. */
  one(name, labels = {}) {
    const wanted = Object.entries(labels);
    return this.all(name).find((sample) => wanted.every(([key, value]) => sample.labels[key] === value))?.value;
  }

  sum(name) {
    return this.all(name).reduce((total, { value }) => total + value, 0);
  }
}

const unescaped = (text) => text.replace(/\\(.)/g, (_, letter) => ESCAPED[letter] ?? letter);
