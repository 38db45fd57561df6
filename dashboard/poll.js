// Data that has no events. In: what loads it and how often. Out: calls of it while the page is seen, slower when they fail.

import { track } from './connection.js';

const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 15_000;

/** Calls `load` at once and then every so often while the page is seen. Out: `close()` and `again()`. */
export function poll(every_ms, load, failed = () => {}) {
  const source = track();
  const stop = new AbortController();
  let wake = () => {};
  (async () => {
    let failures = 0;
    while (!stop.signal.aborted) {
      try {
        await load(stop.signal);
        source.live();
        failures = 0;
      } catch (error) {
        if (stop.signal.aborted) break;
        if (error.mayRetry === false) {
          failed(error);
          break;
        }
        // A refusal says whether it may go away; anything else is a mistake in this page.
        if (error.mayRetry === undefined) reportError(error);
        failures += 1;
        await source.waiting(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (failures - 1)), stop.signal);
        continue;
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, every_ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        stop.signal.addEventListener('abort', wake, { once: true });
      });
      while (document.hidden && !stop.signal.aborted) {
        await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
      }
    }
    source.close();
  })();
  return { close: () => stop.abort(), again: () => wake() };
}
