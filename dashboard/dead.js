// Dead letters: tasks that failed for good. In: `/dead`. Out: each with its cause; administrators let them run again.

import { get } from './api.js';
import { since } from './clock.js';
import { fill, h, keyed, say } from './dom.js';
import { plural, shortJob } from './format.js';
import { shape } from './icons.js';
import { refused } from './notice.js';
import { poll } from './poll.js';
import { link, reload } from './router.js';
import { requeueButton } from './summary.js';
import { isAdmin, onChange } from './who.js';

export const title = 'Dead letters';
const EVERY_MS = 5000;

export function match(parts) {
  return parts.length === 1 && parts[0] === 'dead' ? {} : null;
}

export function show(root) {
  const sum = h('p', { class: 'quiet', role: 'status' });
  const list = h('ul', { class: 'dead', 'aria-label': 'Dead letters' });
  const note = h('p', { class: 'empty' }, 'Loading…');
  fill(root, h('div', { class: 'title' }, h('h1', {}, 'Dead letters'), sum), list, note);
  let tasks = null;
  const draw = () => {
    if (!tasks) return;
    say(sum, tasks.length ? `${plural(tasks.length, 'task')} failed for good` : '');
    keyed(list, tasks, keyOf, (task) => makeItem(task, () => polling.again()), updateItem);
    note.hidden = tasks.length > 0;
    if (!tasks.length) fill(note, 'No task failed for good.');
  };
  const polling = poll(EVERY_MS, async (signal) => {
    tasks = await get('/dead', { signal });
    draw();
  }, (error) => fill(note, refused(error, reload)));
  const forget = onChange(draw);
  return {
    close: () => {
      forget();
      polling.close();
    },
  };
}

function keyOf({ job, task, attempt }) {
  return `${job}/${task}/${attempt}`;
}

function makeItem(task, again) {
  return h('li', { class: 'dead-item' },
    h('div', { class: 'dead-head' },
      h('span', { class: 'is-dead with-shape' }, shape('dead', 'dead')),
      h('a', { href: link(['jobs', task.job, task.task]), 'data-row': '' }, task.task),
      h('span', { class: 'quiet' }, 'of ', h('a', { href: link(['jobs', task.job]), title: task.job }, h('code', {}, shortJob(task.job)))),
      h('span', { class: 'quiet' }, `after ${plural(task.attempt, 'attempt')}`),
      h('span', { class: 'quiet' }, task.ended_ms != null && since(task.ended_ms)),
      h('span', { class: 'actions' }, requeueButton(task.job, task.task, again))),
    h('pre', {}, task.failure ?? 'No cause was given.'));
}

function updateItem(item) {
  item.querySelector('.actions').hidden = !isAdmin();
}
