// Asks again and again while somebody looks: rests while the tab is hidden. Knows nothing of what is asked.

import { calm, trouble } from "/assets/shell/shell.js";

const PATIENCE_MS = 5000;

/**
 * Calls `work` every `pause` milliseconds, for the first time after one, until it returns false. A service that is away
 * or busy is told of and asked again; any other trouble is told and ends it. Returns a function that ends it.
 */
export function follow(work, pause) {
  let timer = 0;
  let ended = false;
  let asking = false;
  let troubled = false;

  async function turn() {
    if (ended || asking || document.hidden) return;
    asking = true;
    let wait = pause;
    try {
      if ((await work()) === false) end();
      if (troubled) calm();
      troubled = false;
    } catch (error) {
      if (ended) return;
      trouble(error);
      troubled = true;
      wait = Math.max(pause, error.retryAfter * 1000 || PATIENCE_MS);
      if (!error.passing) end();
    } finally {
      asking = false;
    }
    if (!ended) timer = setTimeout(turn, wait);
  }

  const seen = () => {
    clearTimeout(timer);
    turn();
  };

  function end() {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  }

  document.addEventListener("visibilitychange", seen);
  timer = setTimeout(turn, pause);
  return end;
}
