// Short messages about what somebody just did. In: a text. Out: a line that goes away by itself and is read aloud.

import { h } from './dom.js';

const place = document.getElementById('notices');
const SHOWN_MS = 6000;

/** Says what was done. */
export function notice(text) {
  show(text, 'notice', SHOWN_MS);
}

/** Says why something was not done, with the API's hint. */
export function failure(error) {
  if (error.name === 'AbortError') return;
  show(error.hint ? `${error.message} ${error.hint}` : error.message, 'notice is-failure', 2 * SHOWN_MS);
}

/** A view's text when it cannot be loaded. */
export function refused(error, again) {
  return h('div', { class: 'refused' },
    h('h2', {}, error.status === 404 ? 'Not found' : error.status === 403 ? 'Not for this token' : 'This cannot be shown'),
    h('p', {}, error.message),
    error.hint && h('p', { class: 'quiet' }, error.hint),
    again && h('button', { type: 'button', onclick: again }, 'Try again'));
}

function show(text, className, shown_ms) {
  const line = h('div', { class: className }, text);
  place.append(line);
  setTimeout(() => line.remove(), shown_ms);
}
