// All jobs, the newest first. In: `/jobs` and the events of all jobs. Out: a table that follows them.

import { get } from './api.js';
import { now, since, until } from './clock.js';
import { fill, h, keyed, say } from './dom.js';
import { count, duration, moment, percent, short, shortJob } from './format.js';
import { badge, progress, shape } from './icons.js';
import { refused } from './notice.js';
import { poll } from './poll.js';
import { link, reload, replace } from './router.js';
import { openStream } from './stream.js';
import { isAdmin, onChange } from './who.js';

export const title = 'Jobs';
export const KINDS = ['execute', 'prove', 'fold', 'seal'];
const STATES = ['queued', 'running', 'done', 'failed', 'cancelled'];
const PAGE = 50;
// Events come faster than anybody reads.
const REDRAW_MS = 200;
const LIST_MS = 15_000;

export function match(parts) {
  return parts.length === 1 && parts[0] === 'jobs' ? {} : null;
}

export function show(root, { state, before }) {
  const filter = h('select', { id: 'state', 'aria-label': 'State' },
    h('option', { value: '' }, 'All states'), STATES.map((name) => h('option', { value: name, selected: name === state }, name)));
  filter.addEventListener('change', () => replace(link(['jobs'], { state: filter.value })));
  const body = h('tbody', { role: 'rowgroup' });
  const table = h('table', { class: 'jobs', role: 'table', 'aria-label': 'Jobs', hidden: true }, head(), body);
  const note = h('p', { class: 'empty' }, 'Loading…');
  const pages = h('nav', { class: 'pages', 'aria-label': 'Pages' });
  fill(root, h('div', { class: 'title' }, h('h1', {}, 'Jobs'), filter), table, note, pages);

  let jobs = [];
  const draw = throttled(() => {
    keyed(body, jobs, (job) => job.job, makeRow, updateRow);
    table.hidden = !jobs.length;
    note.hidden = Boolean(jobs.length);
    if (!jobs.length) fill(note, ...nothing(state, before));
  });
  const fits = (job) => !state || job.state === state;
  // The page is the answer to one query; events change its rows and, on the first page, add to them.
  const take = (job) => {
    const at = jobs.findIndex((other) => other.job === job.job);
    if (at >= 0) {
      if (fits(job)) jobs[at] = job;
      else jobs.splice(at, 1);
    } else if (!before && fits(job)) {
      const place = jobs.findIndex((other) => other.job < job.job);
      if (place >= 0) jobs.splice(place, 0, job);
      else if (jobs.length < PAGE) jobs.push(job);
      else return;
      jobs.length = Math.min(jobs.length, PAGE);
    } else return;
    draw();
  };

  // Events tell of jobs that are not over; one that comes and ends between two of them is only in the list.
  const polling = poll(LIST_MS, async (signal) => {
    const asked_ms = performance.now();
    const list = await get(`/jobs?${new URLSearchParams({ limit: PAGE, ...(state && { state }), ...(before && { before }) })}`, { signal });
    const newer = jobs.filter((job) => job.arrived_ms > asked_ms);
    jobs = list.jobs.map(arrived);
    for (const job of newer) take(job);
    draw();
    fill(pages,
      before && h('a', { class: 'button', href: link(['jobs'], { state }) }, 'Newest'),
      list.next && h('a', { class: 'button', href: link(['jobs'], { state, before: list.next }) }, 'Older'));
  }, fail);
  const stream = openStream('/events', {
    event: (name, job) => {
      if (name === 'job') take(arrived(job));
    },
    failed: fail,
  });
  function fail(error) {
    table.hidden = true;
    note.hidden = false;
    fill(note, refused(error, reload));
  }
  const forget = onChange(() => table.classList.toggle('has-tenants', isAdmin()));
  return {
    close: () => {
      forget();
      polling.close();
      stream.close();
    },
  };
}

/** A job as it arrived: what it says is left is turned into a time of day, so that it can tick. */
export function arrived(job) {
  job.arrived_ms = performance.now();
  job.done_at_ms = job.eta_ms == null ? null : now() + job.eta_ms;
  return job;
}

function nothing(state, before) {
  if (before) return ['No older jobs.'];
  if (state) return [`No ${state} jobs. `, h('a', { href: link(['jobs']) }, 'Show all')];
  return ['No jobs yet. ', h('code', {}, 'phalanx submit guest.elf --input list.bin'), ' makes one.'];
}

function head() {
  const names = [['State'], ['Job'], ['Tenant', 'tenant'], ['Progress'], ...KINDS.map((kind) => [kind, 'number stage']),
    ['Cycles', 'number'], ['Time', 'number'], ['Came', 'number']];
  return h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
    names.map(([name, className]) => h('th', { role: 'columnheader', scope: 'col', class: className }, name))));
}

function makeRow(job) {
  const cell = (className, ...children) => h('td', { role: 'cell', class: className }, ...children);
  return h('tr', { role: 'row' },
    cell('state'),
    cell('name', h('a', { href: link(['jobs', job.job]), 'data-row': '', title: job.job }, h('code', {}, shortJob(job.job)))),
    cell('tenant', job.tenant),
    cell('how'),
    KINDS.map((kind) => cell('number stage', h('span', { class: 'label', 'aria-hidden': 'true' }, `${kind} `), h('span', {}))),
    cell('number cycles'),
    cell('number time'),
    cell('number came', since(job.created_ms)));
}

function updateRow(row, job) {
  const [state, , , how, ...rest] = row.children;
  if (state.dataset.state !== job.state) {
    state.dataset.state = job.state;
    fill(state, badge(job.state));
  }
  fill(how, job.state === 'failed' ? h('span', { class: 'cause', title: job.failure }, cause(job)) : bar(job));
  KINDS.forEach((kind, at) => fill(rest[at].lastElementChild, stage(job.tasks[kind])));
  say(rest[4], job.cycles == null ? '' : short(job.cycles));
  rest[4].title = job.cycles == null ? '' : `${count(job.cycles)} instructions`;
  fill(rest[5], time(job));
}

/** The first line of why a job failed, with the task. */
function cause(job) {
  const text = (job.failure ?? 'failed').split('\n')[0];
  return job.failed_task ? `${job.failed_task}: ${text}` : text;
}

/** Progress bar and percent. */
export function bar(job) {
  const part = job.state === 'done' ? 1 : job.progress;
  return h('div', { class: 'with-percent' }, progress(part, 'Progress', job.state), h('span', {}, percent(part)));
}

/** `12/40`, with dead ones. */
export function stage(counts) {
  const total = Object.values(counts).reduce((sum, number) => sum + number, 0);
  if (!total) return h('span', { class: 'quiet' }, '–');
  const isAll = counts.done === total;
  const dead = counts.dead > 0 && h('span', { class: 'is-dead dead-count', title: `${counts.dead} dead` }, shape('dead', 'dead:'), count(counts.dead));
  return h('span', { class: isAll ? 'quiet' : '' }, `${count(counts.done)}/${count(total)}`, dead);
}

/** What is left of a running job, what an ended one took. */
export function time(job) {
  if (job.ended_ms != null) {
    return h('span', { title: `ended ${moment(job.ended_ms)}` }, duration(job.ended_ms - (job.started_ms ?? job.created_ms)));
  }
  if (job.done_at_ms != null) return until(job.done_at_ms);
  return h('span', { class: 'quiet' }, job.state === 'queued' ? 'waits' : '…');
}

function throttled(work) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      work();
    }, REDRAW_MS);
  };
}
