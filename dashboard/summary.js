// The head of a job: how it stands, why it failed, its facts, what can be done with it. In: the job as it stands. Out: elements.

import { post, remove } from './api.js';
import { left, now, running, since, until } from './clock.js';
import { fill, h } from './dom.js';
import { count, duration, moment, shortDigest, speed } from './format.js';
import { badge, shape } from './icons.js';
import { KINDS, bar, stage } from './jobs.js';
import { failure, notice } from './notice.js';
import { Receipt } from './receipt.js';
import { isAdmin } from './who.js';

const OVER = ['done', 'failed', 'cancelled'];

export class Summary {
  /** `changed()` is called when somebody changed the job here, `open(task)` when a task is to be shown. */
  constructor(id, { changed, open }) {
    Object.assign(this, { id, changed, open, drawn: '' });
    this.state = h('span', { class: 'job-state', role: 'status' });
    this.actions = h('div', { class: 'actions' });
    this.cause = h('div', {});
    this.stages = h('div', { class: 'stages' });
    this.facts = h('dl', { class: 'facts' });
    this.receipt = new Receipt(id);
    this.element = h('section', { class: 'summary', 'aria-label': 'Job' },
      h('p', { class: 'crumbs' }, h('a', { href: '#/jobs' }, h('span', { 'aria-hidden': 'true' }, '← '), 'Jobs')),
      h('div', { class: 'title' }, h('h1', { class: 'job-name' }, copyable(id, id)), this.state, this.actions),
      this.cause, this.stages, this.receipt.element, this.facts);
  }

  draw(job) {
    const shown = JSON.stringify([job, isAdmin()]);
    if (shown === this.drawn) return;
    this.drawn = shown;
    if (this.state.dataset.state !== job.state) {
      this.state.dataset.state = job.state;
      fill(this.state, badge(job.state));
      this.act(job);
    }
    fill(this.cause, job.state === 'failed' && this.why(job));
    fill(this.stages, bar(job), h('ul', {}, KINDS.map((kind) => h('li', {}, h('span', { class: 'quiet' }, `${kind} `), stage(job.tasks[kind])))));
    fill(this.facts, facts(job).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
    this.receipt.draw(job);
  }

  act(job) {
    fill(this.actions, !OVER.includes(job.state) && this.cancel());
  }

  /** Two steps, since a cancelled job cannot be taken up again by its tenant. */
  cancel() {
    const button = h('button', { type: 'button', class: 'danger' }, 'Cancel job');
    button.addEventListener('click', () => {
      const no = h('button', { type: 'button', onclick: () => fill(this.actions, this.cancel()) }, 'Keep it');
      const yes = h('button', { type: 'button', class: 'danger', onclick: () => this.end(yes) }, 'Yes, cancel it');
      fill(this.actions, yes, no);
      no.focus();
    });
    return button;
  }

  async end(button) {
    button.disabled = true;
    try {
      await remove(`/jobs/${this.id}`);
      notice('The job is cancelled.');
      this.changed();
    } catch (error) {
      failure(error);
      fill(this.actions, this.cancel());
    }
  }

  why(job) {
    const task = job.failed_task;
    return h('div', { class: 'cause-box', role: 'alert' },
      h('p', {}, shape('dead'), task ? h('button', { type: 'button', class: 'link', onclick: () => this.open(task) }, task) : 'The job', ' failed'),
      h('pre', {}, job.failure ?? 'No cause was given.'),
      isAdmin() && requeueButton(this.id, null, this.changed));
  }
}

/** A button that lets dead tasks of a job run again; all of them, or one. */
export function requeueButton(job, task, changed) {
  const button = h('button', { type: 'button' }, task ? 'Requeue' : 'Requeue its dead tasks');
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await post(`/jobs/${job}/requeue`, task ? { task } : {});
      notice(task ? `${task} runs again.` : 'The job runs again.');
      changed();
    } catch (error) {
      button.disabled = false;
      failure(error);
    }
  });
  return button;
}

/** A text that is copied by a click. */
export function copyable(text, shown) {
  const button = h('button', { type: 'button', class: 'copy', title: `Copy ${text}` }, h('code', {}, shown));
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      notice('Copied.');
    } catch {
      // Without a secure context browsers give no clipboard; the text can still be selected.
      getSelection().selectAllChildren(button);
    }
  });
  return button;
}

function facts(job) {
  const isOver = job.ended_ms != null;
  const ran_ms = job.started_ms == null ? null : (job.ended_ms ?? now()) - job.started_ms;
  return [
    ['Cycles', job.cycles == null ? '–' : count(job.cycles)],
    ['Segments', job.segments == null ? '–' : count(job.segments)],
    ['Came', since(job.created_ms)],
    ['Waited', job.started_ms == null ? running(job.created_ms) : duration(job.started_ms - job.created_ms)],
    [isOver ? 'Took' : 'Runs for', ran_ms == null ? '–' : isOver ? h('span', { title: `ended ${moment(job.ended_ms)}` }, duration(ran_ms)) : running(job.started_ms)],
    isOver ? job.state === 'done' && job.cycles != null && ['Speed', speed(job.cycles, ran_ms)] : ['Left', job.done_at_ms == null ? 'not known yet' : left(job.done_at_ms)],
    job.deadline_ms != null && !isOver && ['Deadline', until(job.deadline_ms)],
    job.priority !== 0 && ['Priority', String(job.priority)],
    ['Tenant', job.tenant],
    ['Program', copyable(job.program, shortDigest(job.program))],
    ['Input', copyable(job.input, shortDigest(job.input))],
    job.receipt && ['Receipt', copyable(job.receipt, shortDigest(job.receipt))],
  ].filter(Boolean);
}
