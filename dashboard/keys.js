// The keyboard. In: key presses outside of fields. Out: going to a view, moving through rows, the list of shortcuts.

import { h } from './dom.js';
import { go } from './router.js';

const OFF = 'phalanx.keys-off';
const GO = { j: '#/jobs', w: '#/workers', q: '#/queue', d: '#/dead' };
const SHORTCUTS = [
  ['Everywhere', [
    ['?', 'this list'], ['g j', 'jobs'], ['g w', 'workers'], ['g q', 'queue'], ['g d', 'dead letters'], ['Esc', 'close what is open'],
  ]],
  ['Lists', [['j or ↓', 'next row'], ['k or ↑', 'previous row'], ['Enter', 'open the row']]],
  ['A job', [
    ['t', 'its tasks as a tree'], ['l', 'its timeline'], ['↑ ↓', 'previous, next task'], ['→ ←', 'unfold, fold; in the timeline next, previous'],
    ['Home End', 'first, last task'], ['Enter', 'attempts of the task'], ['+ − 0', 'zoom the picture in, out, to the whole job'],
  ]],
];

let first = '';
let dialog = null;

/** Starts listening. */
export function start() {
  addEventListener('keydown', press);
  document.getElementById('help').addEventListener('click', help);
}

/** Shortcuts of a view: what a key does while `isShown()`. A view that is closed takes them back by the function it gets. */
export function bind(keys) {
  const listen = (event) => {
    if (isTyping(event) || event.defaultPrevented) return;
    const does = keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  };
  addEventListener('keydown', listen);
  return () => removeEventListener('keydown', listen);
}

function isTyping(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  if (event.key !== 'Escape' && localStorage.getItem(OFF)) return true;
  return Boolean(document.querySelector('dialog[open]')) || event.target.matches?.('input, select, textarea');
}

function press(event) {
  if (isTyping(event) || event.defaultPrevented) return;
  const wasGo = first === 'g';
  first = event.key;
  if (wasGo && GO[event.key]) {
    first = '';
    event.preventDefault();
    go(GO[event.key]);
  } else if (event.key === '?') {
    event.preventDefault();
    help();
  } else if (['j', 'ArrowDown'].includes(event.key)) step(event, 1);
  else if (['k', 'ArrowUp'].includes(event.key)) step(event, -1);
}

/** Moves the focus to the next or previous row of a list. */
function step(event, by) {
  const rows = [...document.querySelectorAll('[data-row]')];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  // The arrows scroll the page unless a row has the focus already.
  if (at < 0 && event.key.startsWith('Arrow')) return;
  event.preventDefault();
  const row = rows[at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + by))];
  row.focus();
  row.scrollIntoView({ block: 'nearest' });
}

function help() {
  dialog ??= make();
  dialog.showModal();
}

function make() {
  const off = h('input', { type: 'checkbox', id: 'keys-off', checked: !localStorage.getItem(OFF) });
  off.addEventListener('change', () => (off.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, '1')));
  const groups = SHORTCUTS.map(([title, keys]) => h('section', {},
    h('h3', {}, title),
    h('dl', { class: 'keys' }, keys.map(([key, does]) => h('div', {},
      h('dt', {}, key.split(' ').map((part) => (part === 'or' ? ' or ' : h('kbd', {}, part)))), h('dd', {}, does))))));
  const element = h('dialog', { class: 'dialog is-wide', 'aria-labelledby': 'keys-title' },
    h('h2', { id: 'keys-title' }, 'Keyboard shortcuts'),
    h('div', { class: 'key-groups' }, groups),
    h('div', { class: 'buttons' },
      h('label', { for: 'keys-off', class: 'check' }, off, 'Keys of one character are on'),
      h('button', { type: 'button', class: 'primary', autofocus: true, onclick: () => element.close() }, 'Close')));
  document.body.append(element);
  return element;
}
