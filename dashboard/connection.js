// Whether what is shown is up to date. In: the streams and polls that are open. Out: one line in the page's head, `Live` or
// `Reconnecting`, so that nobody trusts a page that is cut off.

import { fill, h } from './dom.js';

const sources = new Set();
const place = document.getElementById('connection');

/** A source of data. Tell it when it works (`live`) and let it wait out a failure (`waiting`). */
export function track() {
  const source = { state: 'connecting', retry_at: 0, wake: null };
  sources.add(source);
  show();
  const set = (state) => {
    if (source.state === state) return;
    source.state = state;
    show();
  };
  return {
    live: () => set('live'),
    /** Waits so long, or until the machine is online again or somebody presses the button. */
    waiting: (wait_ms, signal) =>
      new Promise((resolve) => {
        source.retry_at = Date.now() + wait_ms;
        set('waiting');
        const timer = setTimeout(end, wait_ms);
        function end() {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          source.wake = null;
          resolve();
        }
        source.wake = end;
        signal.addEventListener('abort', end);
      }),
    close: () => {
      sources.delete(source);
      show();
    },
  };
}

function wakeAll() {
  for (const source of sources) source.wake?.();
}

let shown = '';
function show() {
  const waiting = [...sources].filter((source) => source.state === 'waiting');
  const state = waiting.length ? 'waiting' : [...sources].some((source) => source.state === 'live') ? 'live' : sources.size ? 'connecting' : 'idle';
  if (state === shown) return;
  shown = state;
  place.dataset.state = state;
  if (state === 'waiting') {
    const button = h('button', { type: 'button', class: 'link', title: 'Try now', onclick: wakeAll }, 'Reconnecting…');
    fill(place, h('span', { class: 'dot', 'aria-hidden': 'true' }), button);
  } else {
    const text = { live: 'Live', connecting: 'Connecting…', idle: '' }[state];
    const title = { live: 'What you see follows the gateway.', connecting: '', idle: '' }[state];
    place.title = title;
    fill(place, text && h('span', { class: 'dot', 'aria-hidden': 'true' }), text);
  }
}

addEventListener('online', wakeAll);
