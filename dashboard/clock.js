// Time as the gateway has it, and texts that follow it. In: the `Date` of answers. Out: `now()` and `<time>` elements that
// keep themselves up to date, relative with the absolute time on hover.

import { h, say } from './dom.js';
import { ago, moment, ticking } from './format.js';

// A browser whose clock is wrong by less than this is believed, since `Date` has whole seconds and travel takes time.
const SKEW_MS_MIN = 3000;
let skew_ms = 0;

/** Milliseconds since 1970 by the gateway's clock. */
export function now() {
  return Date.now() + skew_ms;
}

/** Learns the gateway's clock from an answer. */
export function learn(date) {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) return;
  const skew = theirs - Date.now();
  skew_ms = Math.abs(skew) < SKEW_MS_MIN ? 0 : skew;
}

/** `2 min ago`, for a time in the past. */
export function since(ms) {
  return element('ago', ms);
}

/** `12 s`, for how long something has run. */
export function running(ms) {
  return element('running', ms);
}

/** `3 min left`, for a time to come. */
export function until(ms) {
  return element('until', ms);
}

/** `3 min`, for a time to come, where a heading says that it is what is left. */
export function left(ms) {
  return element('left', ms);
}

const TEXT = {
  ago: (ms) => ago(now() - ms),
  running: (ms) => ticking(now() - ms),
  left: (ms) => ticking(Math.max(0, ms - now())),
  until: (ms) => (ms > now() ? `${ticking(ms - now())} left` : 'any moment'),
};

function element(kind, ms) {
  return h('time', { dateTime: new Date(ms).toISOString(), title: moment(ms), 'data-tick': kind, 'data-ms': String(ms) }, TEXT[kind](ms));
}

setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll('time[data-tick]')) say(time, TEXT[time.dataset.tick](Number(time.dataset.ms)));
}, 1000);
