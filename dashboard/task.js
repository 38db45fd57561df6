// One task beside its job: what it takes and made, and what became of each of its starts. In: a task's name and the graph. Out:
// a side panel.

import { get } from './api.js';
import { running, since } from './clock.js';
import { fill, h } from './dom.js';
import { bytes, count, duration, moment, shortDigest } from './format.js';
import { badge, shape } from './icons.js';
import { copyable, requeueButton } from './summary.js';
import { isAdmin } from './who.js';
import { link } from './router.js';

const OUTCOMES = { done: 'done', retry: 'ready', bad_proof: 'dead', failed: 'dead', expired: 'cancelled', released: 'cancelled', cancelled: 'cancelled' };
const CHILDREN_MAX = 8;

export class TaskPanel {
  constructor(job, graph, { closed, open, changed }) {
    Object.assign(this, { job, graph, closed, goTo: open, changed, task: undefined, drawn: '', asked: '', reading: null });
    this.heading = h('h2', { tabIndex: -1, id: 'task-title' });
    this.facts = h('div', {});
    this.attempts = h('div', { class: 'attempts' });
    this.element = h('aside', { class: 'panel', 'aria-labelledby': 'task-title', hidden: true },
      h('div', { class: 'panel-head' }, this.heading, h('button', { type: 'button', class: 'quiet-button icon-button', 'aria-label': 'Close', title: 'Close (Esc)', onclick: () => this.close() }, '✕')),
      this.facts, h('h3', {}, 'Attempts'), this.attempts);
  }

  open(task, isKeyboard) {
    if (this.task !== task) {
      this.task = task;
      this.drawn = this.asked = '';
      fill(this.attempts);
      this.element.scrollTop = 0;
    }
    this.element.hidden = false;
    this.draw();
    if (isKeyboard) this.heading.focus();
  }

  close() {
    this.task = undefined;
    this.element.hidden = true;
    this.stop();
    this.closed();
  }

  stop() {
    this.reading?.abort();
  }

  draw() {
    const task = this.task && this.graph.get(this.task);
    if (!task) return;
    const shown = JSON.stringify([task, this.graph.parent(task.task), isAdmin()]);
    if (shown === this.drawn) return;
    this.drawn = shown;
    this.heading.textContent = task.task;
    fill(this.facts, this.body(task));
    // Attempts change only with these.
    const asked = `${task.attempt} ${task.state}`;
    if (asked !== this.asked) {
      this.asked = asked;
      this.read(task);
    }
  }

  body(task) {
    const name = (other) => h('button', { type: 'button', class: 'link', onclick: () => this.goTo(other) }, other);
    const children = task.children.slice(0, CHILDREN_MAX).flatMap((child) => [name(child), ' ']);
    const more = task.children.length - CHILDREN_MAX;
    const parent = this.graph.parent(task.task);
    const facts = [
      ['State', h('span', {}, badge(task.state), task.is_reused && ' its result was found, not made')],
      ['Worker', task.worker ? h('a', { href: link(['workers', task.worker]) }, task.worker) : '–'],
      task.started_ms != null && task.ready_ms != null && ['Waited', duration(task.started_ms - task.ready_ms)],
      task.started_ms != null && ['Started', since(task.started_ms)],
      task.started_ms != null && (task.state === 'running' || task.ended_ms != null)
        && [task.state === 'running' ? 'Runs for' : 'Took', task.state === 'running' ? running(task.started_ms) : duration(task.ended_ms - task.started_ms)],
      task.cycles != null && ['Cycles', count(task.cycles)],
      ['RAM, predicted', bytes(task.ram_bytes)],
      children.length > 0 && ['Takes', h('span', {}, children, more > 0 && `and ${more} more`)],
      parent && ['Goes into', name(parent)],
      task.output && ['Made', copyable(task.output, shortDigest(task.output))],
    ].filter(Boolean);
    return [
      task.failure && h('div', { class: 'cause-box' },
        h('p', {}, shape('dead'), task.state === 'dead' ? 'Failed for good' : 'Its latest failure'), h('pre', {}, task.failure),
        task.state === 'dead' && isAdmin() && requeueButton(this.job, task.task, this.changed)),
      h('dl', { class: 'facts is-narrow' }, facts.map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value)))),
    ];
  }

  async read(task) {
    this.stop();
    const reading = new AbortController();
    this.reading = reading;
    try {
      const list = await get(`/jobs/${this.job}/tasks/${encodeURIComponent(task.task)}/attempts`, { signal: reading.signal });
      if (this.task !== task.task) return;
      fill(this.attempts, attempts(list, task));
    } catch (error) {
      if (error.name !== 'AbortError') fill(this.attempts, h('p', { class: 'quiet' }, error.message));
    }
  }
}

function attempts(list, task) {
  const rows = list.map((attempt) => ({ ...attempt, shape: OUTCOMES[attempt.outcome] ?? 'ready', text: attempt.outcome.replace('_', ' ') }));
  if (task.state === 'running' && !rows.some((row) => row.attempt === task.attempt)) {
    rows.push({ attempt: task.attempt, worker: task.worker, started_ms: task.started_ms, ended_ms: null, shape: 'running', text: 'running' });
  }
  if (!rows.length) return h('p', { class: 'quiet' }, 'It has not been started yet.');
  rows.sort((a, b) => b.attempt - a.attempt);
  return h('ol', {}, rows.map((row) => h('li', {},
    h('div', { class: 'attempt' },
      h('span', { class: 'quiet' }, `#${row.attempt}`),
      h('span', { class: `badge is-${row.shape}` }, shape(row.shape), row.text),
      h('span', { class: 'attempt-worker' }, row.worker),
      h('span', { class: 'number', title: moment(row.started_ms) }, row.ended_ms == null ? running(row.started_ms) : duration(row.ended_ms - row.started_ms))),
    row.detail && h('pre', {}, row.detail))));
}
