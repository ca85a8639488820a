// What a page shows, kept in its address after '#': it can be bookmarked, sent on, and never reaches the service's log.

/** The names and values after '#', as an object of strings. */
export const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

/** `values` as an address's part with '#'; empty ones are left out, and "" where all are. */
export function hash(values) {
  const kept = Object.entries(values).filter(([, value]) => value);
  return kept.length ? `#${new URLSearchParams(kept)}` : "";
}

/** Puts `values` in place of what stood there, without a step back in the browser's history. */
export function keep(values) {
  history.replaceState(null, "", location.pathname + location.search + hash(values));
}

/** The same as a step that the browser's back button undoes; tells nobody but the history. */
export function go(values) {
  history.pushState(null, "", location.pathname + location.search + hash(values));
}
