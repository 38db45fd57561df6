// One job. In: `/jobs/{job}` and its events. Out: what it is and how it stands, its tasks as a tree or over time, the attempts
// of a task beside them; all of it live.

import { get } from './api.js';
import { fill, h } from './dom.js';
import { shortJob } from './format.js';
import { Graph } from './graph.js';
import { arrived } from './jobs.js';
import { bind } from './keys.js';
import { refused } from './notice.js';
import { Picture } from './picture.js';
import { link, reload } from './router.js';
import { openStream } from './stream.js';
import { Summary } from './summary.js';
import { TaskPanel } from './task.js';
import { Timeline } from './timeline.js';
import { Tree, filters } from './tree.js';

export const title = 'Job';
const OVER = ['done', 'failed', 'cancelled'];
const REDRAW_MS = 250;

export function match(parts) {
  if (parts[0] !== 'jobs' || parts.length < 2 || parts.length > 3) return null;
  return { job: parts[1], task: parts[2] };
}

export function show(root, parameters) {
  const view = new JobView(root, parameters);
  return { update: (next) => view.update(next), close: () => view.close() };
}

class JobView {
  constructor(root, { job, task, view }) {
    Object.assign(this, { root, id: job, view: view === 'timeline' ? 'timeline' : 'tree', job: null, timer: null, stream: null, isClosed: false });
    document.title = `Job ${shortJob(job)} · Phalanx`;
    this.graph = new Graph();
    const choose = { select: (name) => this.select(name), open: (name, isKeyboard) => this.open(name, isKeyboard) };
    this.summary = new Summary(job, { changed: () => this.listen(), open: (name) => this.open(name, true) });
    this.picture = new Picture(this.graph, choose);
    this.tree = new Tree(this.graph, choose);
    this.timeline = new Timeline(this.graph, choose);
    this.filters = filters(this.graph, (states) => this.tree.filter(states));
    this.panel = new TaskPanel(job, this.graph, { closed: () => this.closePanel(), open: (name) => this.open(name, true), changed: () => this.listen() });
    this.tabs = tabs((name) => this.turn(name));
    this.trees = h('div', { id: 'panel-tree', role: 'tabpanel', 'aria-labelledby': 'tab-tree' }, this.picture.element, this.filters.element, this.tree.element);
    this.times = h('div', { id: 'panel-timeline', role: 'tabpanel', 'aria-labelledby': 'tab-timeline' }, this.timeline.element);
    this.split = h('div', { class: 'split' }, h('div', { class: 'split-main' }, this.tabs.element, this.trees, this.times), this.panel.element);
    fill(root, this.summary.element, this.split);
    this.unbind = bind({
      t: () => this.turn('tree'),
      l: () => this.turn('timeline'),
      '+': () => this.shown().zoom(2),
      '-': () => this.shown().zoom(0.5),
      '−': () => this.shown().zoom(0.5),
      0: () => this.shown().whole(),
      Escape: () => this.panel.task && this.panel.close(),
    });
    this.wanted = task;
    this.turn(this.view, true);
    this.listen();
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.stream?.close();
    this.unbind();
    this.picture.close();
    this.timeline.close();
    this.panel.stop();
  }

  /** Another link to the same job. */
  update({ job, task, view }) {
    if (job !== this.id) return false;
    this.turn(view === 'timeline' ? 'timeline' : 'tree', true);
    if (task && task !== this.panel.task) this.open(task);
    else if (!task && this.panel.task) this.panel.close();
    return true;
  }

  /** Reads the job and follows it, from the beginning: also after somebody changed it. */
  async listen() {
    this.stream?.close();
    this.stream = openStream(`/jobs/${this.id}/events`, {
      event: (name, data) => this.event(name, data),
      isOver: () => OVER.includes(this.job?.state),
      failed: (error) => this.refuse(error),
    });
    try {
      this.take(await get(`/jobs/${this.id}`));
    } catch (error) {
      this.refuse(error);
    }
  }

  refuse(error) {
    if (!this.isClosed && !this.job) fill(this.root, refused(error, reload));
  }

  event(name, data) {
    if (name === 'job') this.take(data);
    else if (name === 'task') {
      this.graph.put(data);
      this.later();
    }
  }

  take(job) {
    this.job = arrived(job);
    this.later();
  }

  later() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      if (!this.isClosed) this.draw();
    }, REDRAW_MS);
  }

  draw() {
    if (this.job) this.summary.draw(this.job);
    if (this.wanted && this.graph.get(this.wanted)) {
      const task = this.wanted;
      this.wanted = undefined;
      this.open(task);
    }
    if (this.view === 'tree') {
      this.filters.draw();
      this.picture.again();
      this.tree.draw();
    } else this.timeline.again();
    this.panel.draw();
  }

  shown() {
    return this.view === 'tree' ? this.picture : this.timeline;
  }

  turn(view, isLink = false) {
    this.view = view;
    this.trees.hidden = view !== 'tree';
    this.times.hidden = view !== 'timeline';
    this.tabs.choose(view);
    if (!isLink) this.say();
    this.draw();
  }

  /** A task is chosen in one view; the others show it too. */
  select(task) {
    this.picture.show(task);
    this.timeline.show(task);
    if (this.tree.selected !== task) this.tree.show(task);
    if (this.panel.task && this.panel.task !== task) this.open(task);
  }

  open(task, isKeyboard = false) {
    if (!this.graph.get(task)) {
      this.wanted = task;
      return;
    }
    this.picture.show(task);
    this.timeline.show(task);
    if (this.tree.selected !== task) this.tree.show(task);
    this.split.classList.add('has-panel');
    this.panel.open(task, isKeyboard);
    this.say();
  }

  closePanel() {
    this.split.classList.remove('has-panel');
    const place = this.view === 'tree' ? this.tree.element : this.timeline.space;
    place.focus({ preventScroll: true });
    this.say();
  }

  /** The link of what is shown. */
  say() {
    const hash = link(['jobs', this.id, ...(this.panel.task ? [this.panel.task] : [])], { view: this.view === 'timeline' ? 'timeline' : '' });
    if (location.hash !== hash) history.replaceState(null, '', hash);
  }
}

function tabs(turn) {
  const names = [['tree', 'Tasks'], ['timeline', 'Timeline']];
  const buttons = names.map(([name, text]) => h('button', {
    type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `panel-${name}`, onclick: () => turn(name),
  }, text));
  const element = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Views of the job' }, buttons);
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
    event.preventDefault();
    const other = buttons.find((button) => button !== document.activeElement);
    other.focus();
    other.click();
  });
  return {
    element,
    choose: (chosen) => names.forEach(([name], at) => {
      buttons[at].setAttribute('aria-selected', String(name === chosen));
      buttons[at].tabIndex = name === chosen ? 0 : -1;
    }),
  };
}
