// The task tree as rows. In: a graph. Out: a tree grid that unfolds, moves by keyboard and draws only the rows that are seen,
// so that thousands of tasks stay quick.

import { running } from './clock.js';
import { fill, h } from './dom.js';
import { bytes, count, duration, short } from './format.js';
import { byPosition } from './graph.js';
import { badge, progress, shape } from './icons.js';

const ROW = 30;
const SPARE_ROWS = 6;
// As many rows are unfolded at first, whole levels at a time.
const FIRST_ROWS = 28;

/** A tree of `graph`. `select(task)` is called when a task is chosen, `open(task)` when its attempts are wanted. */
export class Tree {
  constructor(graph, { select, open }) {
    Object.assign(this, { graph, select, open, states: new Set(), rows: [], selected: null });
    this.unfolded = new Set();
    this.isTouched = false;
    this.space = h('div', { class: 'tree-space', role: 'rowgroup' });
    this.body = h('div', { class: 'tree-body' }, head(), this.space);
    this.element = h('div', {
      class: 'tree', role: 'treegrid', tabIndex: 0, 'aria-label': 'Tasks', 'aria-readonly': 'true', onkeydown: (event) => this.press(event),
    }, this.body);
    this.body.addEventListener('scroll', () => this.paint(), { passive: true });
    this.space.addEventListener('click', (event) => this.click(event));
    this.space.addEventListener('dblclick', (event) => this.flip(taskOf(event)));
    new ResizeObserver(() => this.paint()).observe(this.body);
  }

  /** Shows only tasks in these states, as a list; all, as a tree, if there are none. */
  filter(states) {
    this.states = states;
    this.body.scrollTop = 0;
    this.draw();
  }

  /** Draws the graph as it is now. */
  draw() {
    if (!this.isTouched && !this.states.size) this.unfoldFirst();
    this.rows = this.states.size ? this.list() : this.tree();
    this.element.setAttribute('aria-rowcount', String(this.rows.length + 1));
    this.space.style.setProperty('height', `${this.rows.length * ROW}px`);
    this.paint();
  }

  /** Chooses a task and brings it into view. */
  show(task) {
    for (let parent = this.graph.parent(task); parent; parent = this.graph.parent(parent)) this.unfolded.add(parent);
    this.isTouched = true;
    this.selected = task;
    this.draw();
    this.reveal();
  }

  list() {
    return [...this.graph.tasks.values()].filter((task) => this.states.has(task.state)).map((task) => task.task)
      .sort(byPosition).map((task) => ({ task, level: 1 }));
  }

  tree() {
    const rows = [];
    const walk = (tasks, level) => {
      for (const task of tasks) {
        rows.push({ task, level });
        if (this.unfolded.has(task)) walk(this.graph.children(task), level + 1);
      }
    };
    walk(this.graph.roots, 1);
    return rows;
  }

  unfoldFirst() {
    this.unfolded.clear();
    let level = this.graph.roots;
    let rows = level.length;
    for (;;) {
      const next = level.flatMap((task) => this.graph.children(task));
      if (!next.length || rows + next.length > FIRST_ROWS) return;
      for (const task of level) this.unfolded.add(task);
      rows += next.length;
      level = next;
    }
  }

  paint() {
    const from = Math.max(0, Math.floor(this.body.scrollTop / ROW) - SPARE_ROWS);
    const to = Math.min(this.rows.length, Math.ceil((this.body.scrollTop + this.body.clientHeight) / ROW) + SPARE_ROWS);
    const shown = [];
    for (let at = from; at < to; at += 1) shown.push(this.row(this.rows[at], at));
    fill(this.space, shown);
    if (this.selected && this.rows.some((row) => row.task === this.selected)) {
      this.element.setAttribute('aria-activedescendant', idOf(this.selected));
    } else this.element.removeAttribute('aria-activedescendant');
  }

  row({ task: name, level }, at) {
    const task = this.graph.get(name);
    const sum = this.graph.sum(name);
    const isBranch = !this.states.size && this.graph.children(name).length > 0;
    const cell = (className, ...children) => h('div', { role: 'gridcell', class: className }, ...children);
    const row = h('div', {
      role: 'row', class: `tree-row${this.selected === name ? ' is-selected' : ''}`, id: idOf(name), 'data-task': name,
      'aria-level': String(level), 'aria-rowindex': String(at + 2), 'aria-selected': String(this.selected === name),
      'aria-expanded': isBranch ? String(this.unfolded.has(name)) : undefined,
    },
    cell('tree-name',
      h('span', { class: isBranch ? 'fold-mark' : 'fold-mark is-leaf', 'aria-hidden': 'true' }, isBranch ? (this.unfolded.has(name) ? '▾' : '▸') : ''),
      shape(task.state), h('span', { class: 'tree-task' }, name),
      sum.total > 2 && h('span', { class: 'tree-sum' }, progress(sum.counts.done / sum.total, `${name} and what is under it`, sum.counts.dead ? 'dead' : sum.counts.done === sum.total ? 'done' : 'running'),
        h('span', {}, `${count(sum.counts.done)}/${count(sum.total)}`))),
    cell(`tree-state is-${task.state}`, task.state, task.is_reused && ' · reused', task.failures > 0 && h('span', { class: 'is-dead' }, ` · ${task.failures} failed`)),
    cell('tree-worker', task.worker ?? ''),
    cell('number tree-ram', task.ram_bytes ? bytes(task.ram_bytes) : ''),
    cell('number tree-cycles', task.cycles == null ? '' : short(task.cycles)),
    cell('number tree-took', took(task)));
    row.style.setProperty('top', `${at * ROW}px`);
    row.style.setProperty('--level', String(level - 1));
    return row;
  }

  click(event) {
    const task = taskOf(event);
    if (!task) return;
    if (event.target.closest('.fold-mark:not(.is-leaf)')) return this.flip(task);
    this.choose(task);
    this.open(task);
  }

  flip(task) {
    if (!task || !this.graph.children(task).length) return;
    this.isTouched = true;
    if (!this.unfolded.delete(task)) this.unfolded.add(task);
    this.draw();
  }

  choose(task) {
    this.selected = task;
    this.paint();
    this.reveal();
    this.select(task);
  }

  reveal() {
    const at = this.rows.findIndex((row) => row.task === this.selected);
    if (at < 0) return;
    // The head stays on top and takes a row's height of what is seen.
    const seen = this.body.clientHeight - ROW;
    if (at * ROW < this.body.scrollTop) this.body.scrollTop = at * ROW;
    else if ((at + 1) * ROW > this.body.scrollTop + seen) this.body.scrollTop = (at + 1) * ROW - seen;
    this.paint();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) return;
    const at = this.rows.findIndex((row) => row.task === this.selected);
    const page = Math.max(1, Math.floor(this.body.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -this.rows.length, End: this.rows.length };
    const task = this.rows[at]?.task;
    if (event.key in steps) {
      const from = at < 0 && steps[event.key] === 1 ? -1 : Math.max(0, at);
      const to = Math.max(0, Math.min(this.rows.length - 1, from + steps[event.key]));
      this.choose(this.rows[to].task);
    } else if (event.key === 'ArrowRight' && task) {
      if (!this.unfolded.has(task)) this.flip(task);
      else if (this.graph.children(task).length) this.choose(this.graph.children(task)[0]);
    } else if (event.key === 'ArrowLeft' && task) {
      if (this.unfolded.has(task) && this.graph.children(task).length) this.flip(task);
      else if (this.graph.parent(task)) this.choose(this.graph.parent(task));
    } else if (event.key === 'Enter' && task) this.open(task, true);
    else if (event.key === ' ' && task) this.flip(task);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Buttons that filter by state and at the same time say how many there are. */
export function filters(graph, changed) {
  const chosen = new Set();
  const element = h('div', { class: 'filters', role: 'group', 'aria-label': 'Only tasks that are' });
  const buttons = ['running', 'ready', 'pending', 'done', 'dead', 'cancelled'].map((state) => {
    const button = h('button', { type: 'button', class: 'chip', 'aria-pressed': 'false' }, badge(state), h('span', { class: 'number' }));
    button.addEventListener('click', () => {
      if (!chosen.delete(state)) chosen.add(state);
      button.setAttribute('aria-pressed', String(chosen.has(state)));
      changed(chosen);
    });
    return [state, button];
  });
  element.append(...buttons.map(([, button]) => button));
  const draw = () => {
    for (const [state, button] of buttons) {
      const number = graph.counts[state];
      button.lastElementChild.textContent = count(number);
      button.hidden = !number && !chosen.has(state);
    }
  };
  return { element, draw };
}

function took(task) {
  if (task.started_ms == null) return '';
  if (task.state === 'running') return running(task.started_ms);
  return task.ended_ms == null ? '' : duration(task.ended_ms - task.started_ms);
}

function taskOf(event) {
  return event.target.closest('[data-task]')?.dataset.task;
}

function idOf(task) {
  return `task-${task}`;
}

function head() {
  const cell = (className, text) => h('div', { role: 'columnheader', class: className }, text);
  return h('div', { role: 'rowgroup', class: 'tree-head' }, h('div', { role: 'row', class: 'tree-row' },
    cell('tree-name', 'Task'), cell('tree-state', 'State'), cell('tree-worker', 'Worker'), cell('number tree-ram', 'RAM'),
    cell('number tree-cycles', 'Cycles'), cell('number tree-took', 'Took')));
}
