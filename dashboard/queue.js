// The queue as a whole. In: `/queue` and `/stats`. Out: how much waits, for how long, and whether the fleet is large enough.

import { get } from './api.js';
import { fill, h } from './dom.js';
import { count, duration, plural, short, speed } from './format.js';
import { KINDS } from './jobs.js';
import { refused } from './notice.js';
import { poll } from './poll.js';
import { reload } from './router.js';

export const title = 'Queue';
const EVERY_MS = 2000;
const STATS_MS = 15_000;
const WINDOWS = [['hour', 3_600_000], ['day', 86_400_000], ['week', 604_800_000]];

export function match(parts) {
  return parts.length === 1 && parts[0] === 'queue' ? {} : null;
}

export function show(root) {
  const load = h('div', {});
  const times = h('div', {});
  const span = h('select', { 'aria-label': 'Over the last' }, WINDOWS.map(([name, ms]) => h('option', { value: String(ms) }, `last ${name}`)));
  const note = h('p', { class: 'empty' }, 'Loading…');
  const stats = h('section', { hidden: true }, h('div', { class: 'title' }, h('h2', {}, 'Done'), span), times);
  fill(root, h('div', { class: 'title' }, h('h1', {}, 'Queue')), note, load, stats);
  const polling = poll(EVERY_MS, async (signal) => {
    const queue = await get('/queue', { signal });
    note.hidden = true;
    fill(load, now(queue));
  }, (error) => {
    note.hidden = false;
    fill(note, refused(error, reload));
  });
  // Statistics read many rows and change slowly; clients are not told them.
  const counting = poll(STATS_MS, async (signal) => {
    fill(times, past(await get(`/stats?window_ms=${span.value}`, { signal })));
    stats.hidden = false;
  }, () => {
    stats.hidden = true;
  });
  span.addEventListener('change', () => counting.again());
  return {
    close: () => {
      polling.close();
      counting.close();
    },
  };
}

function now(queue) {
  const isShort = queue.slots_wanted > queue.slots;
  const figure = (name, value, more, className) => h('div', { class: `figure ${className ?? ''}` }, h('dt', {}, name), h('dd', {}, value), more && h('dd', { class: 'quiet' }, more));
  return [
    queue.unclaimable > 0 && h('div', { class: 'cause-box is-warning', role: 'status' },
      h('p', {}, `${plural(queue.unclaimable, 'ready task')} that no live worker can run`),
      h('p', { class: 'quiet' }, 'because of kind, engine or RAM. Start a worker that can.')),
    h('dl', { class: 'figures' },
      figure('Jobs', count(queue.jobs), 'not over'),
      figure('Ready', count(queue.ready), 'tasks wait for a worker'),
      figure('Running', count(queue.running), `on ${plural(queue.workers, 'worker')}`),
      figure('Slots', count(queue.slots), isShort ? `${count(queue.slots_wanted)} wanted` : 'enough', isShort ? 'is-short' : ''),
      figure('Dead', count(queue.dead), queue.dead ? h('a', { href: '#/dead' }, 'why') : 'none')),
    grid('Tasks by kind', ['Kind', 'Pending', 'Ready', 'Running', 'Dead', 'Oldest ready'], KINDS.map((kind) => {
      const of = queue.kinds[kind] ?? {};
      return [kind, count(of.pending ?? 0), count(of.ready ?? 0), count(of.running ?? 0), count(of.dead ?? 0), of.ready ? duration(of.oldest_ready_age_ms) : '–'];
    })),
  ];
}

function past(stats) {
  const starts = Object.entries(stats.attempts).sort(([, a], [, b]) => b - a);
  return [
    h('p', { class: 'quiet' }, `${plural(stats.jobs_done, 'job')} done, ${count(stats.jobs_failed)} failed, ${short(stats.cycles)} cycles proven, ${speed(stats.cycles, stats.window_ms)} on average.`),
    grid('Times of done tasks', ['Kind', 'Done', 'Reused', 'Mean wait', 'Mean run', 'Longest'], KINDS.map((kind) => {
      const of = stats.kinds[kind];
      if (!of?.count) return [kind, '0', '–', '–', '–', '–'];
      return [kind, count(of.count), count(of.reused), duration(of.wait_ms_mean), duration(of.run_ms_mean), duration(of.run_ms_max)];
    })),
    starts.length > 0 && h('p', { class: 'quiet' }, 'Starts: ', starts.map(([outcome, number]) => `${count(number)} ${outcome.replace('_', ' ')}`).join(', '), '.'),
  ];
}

function grid(caption, names, rows) {
  return h('div', { class: 'scroll-table' }, h('table', { class: 'grid' },
    h('caption', { class: 'hidden' }, caption),
    h('thead', {}, h('tr', {}, names.map((name, at) => h('th', { scope: 'col', class: at ? 'number' : '' }, name)))),
    h('tbody', {}, rows.map(([kind, ...values]) => h('tr', {}, h('th', { scope: 'row' }, kind), values.map((value) => h('td', { class: value === '0' || value === '–' ? 'number quiet' : 'number' }, value)))))));
}
