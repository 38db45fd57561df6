// The task tree as a picture: a row for each stage, over the segments that each task covers. In: a graph. Out: a canvas with
// every task of thousands in sight; neighbours that are thinner than a line share a column, in proportion. For the
// pointer only: the tree below it has the same for the keyboard and for screen readers.

import { Canvas, cross, hatch, label, tip } from './canvas.js';
import { h } from './dom.js';
import { count, plural } from './format.js';
import { STATES, position } from './graph.js';

const GAP = 3;
const HIGH = 22;
const THIN = 3;
const ZOOM = 2;
// What may start, where there is no room for its frame.
const FAINT = 0.35;

export class Picture {
  constructor(graph, { select, open }) {
    Object.assign(this, { graph, select, open, selected: null, from: 0, to: 0, rows: [], left: 60 });
    this.canvas = new Canvas('picture-canvas', (...given) => this.draw(...given));
    this.tip = tip();
    const button = (text, title, does) => h('button', { type: 'button', class: 'small', title, 'aria-label': title, onclick: does }, text);
    this.where = h('span', { class: 'quiet' });
    this.element = h('div', { class: 'picture' },
      h('div', { class: 'tools' }, this.where,
        button('−', 'Zoom out (−)', () => this.zoom(1 / ZOOM)), button('+', 'Zoom in (+)', () => this.zoom(ZOOM)),
        button('All', 'The whole job (0)', () => this.whole())),
      h('div', { class: 'picture-space' }, this.canvas.element, this.tip.element));
    const canvas = this.canvas.element;
    canvas.setAttribute('aria-hidden', 'true');
    canvas.addEventListener('pointermove', (event) => this.hover(event));
    canvas.addEventListener('pointerleave', () => this.tip.hide());
    canvas.addEventListener('click', (event) => this.click(event));
    canvas.addEventListener('dblclick', (event) => this.into(this.at(event)));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  close() {
    this.canvas.close();
  }

  /** Draws the graph as it is now. */
  again() {
    this.rows = stages(this.graph);
    this.canvas.element.style.setProperty('height', `${Math.max(1, this.rows.length) * (HIGH + GAP) + GAP}px`);
    this.canvas.again();
    const segments = this.graph.segments;
    const [from, to] = this.span();
    this.where.textContent = !segments ? '' : from === 0 && to >= segments
      ? plural(segments, 'segment') : `segments ${count(Math.floor(from))} to ${count(Math.ceil(to) - 1)} of ${count(segments)}`;
  }

  show(task) {
    this.selected = task;
    this.canvas.again();
  }

  /** The segments in sight. */
  span() {
    return this.to > this.from ? [this.from, this.to] : [0, Math.max(1, this.graph.segments)];
  }

  zoom(factor, around) {
    const [from, to] = this.span();
    const middle = around ?? (from + to) / 2;
    this.look(middle - (middle - from) / factor, middle + (to - middle) / factor);
  }

  whole() {
    [this.from, this.to] = [0, 0];
    this.again();
  }

  look(from, to) {
    const all = Math.max(1, this.graph.segments);
    const wide = Math.min(all, Math.max(1, to - from));
    if (wide >= all) return this.whole();
    this.from = Math.max(0, Math.min(all - wide, from));
    this.to = this.from + wide;
    this.again();
  }

  into(task) {
    const sum = task && this.graph.sum(task);
    if (sum && sum.to > sum.from) this.look(sum.from, sum.to);
  }

  wheel(event) {
    const [from, to] = this.span();
    const width = this.canvas.element.clientWidth - this.left;
    if (event.ctrlKey) {
      event.preventDefault();
      const around = from + ((event.offsetX - this.left) / width) * (to - from);
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, around);
    } else if (this.to > this.from && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const by = (event.deltaX / width) * (to - from);
      this.look(from + by, to + by);
    }
  }

  at(event) {
    const row = this.rows[Math.floor((event.offsetY - GAP / 2) / (HIGH + GAP))];
    const [from, to] = this.span();
    const segment = from + ((event.offsetX - this.left) / (this.canvas.element.clientWidth - this.left)) * (to - from);
    return event.offsetX < this.left ? undefined : row?.cells.find((cell) => cell.from <= segment && segment < cell.to)?.task.task;
  }

  hover(event) {
    const task = this.graph.get(this.at(event));
    if (!task) return this.tip.hide();
    const sum = this.graph.sum(task.task);
    const span = sum.to - sum.from > 1 ? `segments ${count(sum.from)} to ${count(sum.to - 1)}` : '';
    this.tip.show(event.offsetX, event.offsetY, this.canvas.element.clientWidth,
      h('b', {}, task.task), ` ${task.state}`, span && h('div', {}, span), task.worker && h('div', {}, task.worker));
  }

  click(event) {
    const task = this.at(event);
    if (!task) return;
    this.select(task);
    this.open(task);
  }

  draw(context, width, height, colours) {
    this.left = 60;
    const [from, to] = this.span();
    const scale = (width - this.left) / (to - from);
    this.rows.forEach((row, at) => {
      const y = GAP + at * (HIGH + GAP);
      label(context, row.name, 0, y + HIGH / 2, this.left - 4, colours.quiet);
      context.save();
      context.beginPath();
      context.rect(this.left, 0, width - this.left, height);
      context.clip();
      const seen = row.cells.filter((cell) => cell.to > from && cell.from < to);
      const thin = seen.some((cell) => (cell.to - cell.from) * scale < THIN);
      const place = (segment) => this.left + (segment - from) * scale;
      if (thin) columns(context, seen, place, y, colours);
      else for (const cell of seen) this.cell(context, cell, place(cell.from), place(cell.to), y, colours);
      context.restore();
    });
  }

  cell(context, { task }, from, to, y, colours) {
    const gap = to - from > 6 ? 2 : to - from > 4 ? 1 : 0;
    const [x, width] = [from, to - from - gap];
    box(context, task.state, x, y, width, colours);
    if (task.state === 'running' && width > 40) {
      // The hatching would run through the letters.
      context.fillStyle = colours.ground;
      context.fillRect(x + 3, y + 4, Math.min(width - 6, context.measureText(task.task).width + 5), HIGH - 8);
    }
    // The row says the kind, so the number alone will do where the name does not fit.
    const [, number] = task.task.split('-');
    const text = [task.task, number].find((one) => one && context.measureText(one).width <= width - 8);
    if (text && task.state !== 'dead') label(context, text, x + 5, y + HIGH / 2 + 0.5, width - 8, colours.text);
    if (task.task === this.selected) {
      context.strokeStyle = colours.text;
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, Math.max(2, width - 2), HIGH - 2);
    }
  }
}

/** Rows in the order in which the work flows: execution, segments, folds by layer, seal. */
function stages(graph) {
  const rows = new Map();
  const all = Math.max(1, graph.segments);
  for (const name of graph.all().names) {
    const [rank, layer] = position(name);
    const key = rank === 2 ? `fold ${layer}` : ['execute', 'prove', '', 'seal'][rank];
    if (!rows.has(key)) rows.set(key, { name: key, cells: [] });
    const sum = graph.sum(name);
    const isWhole = rank === 0 || rank === 3;
    rows.get(key).cells.push({ task: graph.get(name), from: isWhole ? 0 : sum.from, to: isWhole ? all : sum.to });
  }
  return [...rows.values()];
}

/** Cells that are too thin to be seen, as columns: from below what is done to what is dead, by share. */
function columns(context, cells, place, y, colours) {
  let at = 0;
  while (at < cells.length) {
    const start = place(cells[at].from);
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    let total = 0;
    let end = start;
    while (at < cells.length && (total === 0 || place(cells[at].to) - start <= THIN)) {
      counts[cells[at].task.state] += 1;
      end = place(cells[at].to);
      total += 1;
      at += 1;
    }
    let bottom = y + HIGH;
    for (const state of STATES) {
      if (!counts[state]) continue;
      // One dead task among many must be seen.
      const high = state === 'dead' ? Math.max(5, (counts[state] / total) * HIGH) : (counts[state] / total) * HIGH;
      context.fillStyle = { pending: colours.line, cancelled: colours.line, done: colours['done-fill'] }[state] ?? colours[state];
      context.globalAlpha = state === 'ready' ? FAINT : 1;
      // Whole pixels, or the background would shine through between columns.
      const [left, right] = [Math.round(start), Math.max(Math.round(end), Math.round(start) + 1)];
      context.fillRect(left, state === 'dead' ? y : bottom - high, right - left, high);
      context.globalAlpha = 1;
      bottom -= high;
    }
  }
}

function box(context, state, x, y, width, colours) {
  const solid = { done: colours['done-fill'], dead: colours.dead }[state];
  if (solid) {
    context.fillStyle = solid;
    context.fillRect(x, y, width, HIGH);
    if (state === 'dead' && width > 8) cross(context, x, y, width, HIGH, colours['on-fill']);
    return;
  }
  if (state === 'running') {
    context.fillStyle = colours['accent-soft'];
    context.fillRect(x, y, width, HIGH);
    hatch(context, x, y, width, HIGH, colours.running);
  }
  if (state === 'cancelled') hatch(context, x, y, width, HIGH, colours.line);
  if (width > 5) {
    context.strokeStyle = state === 'ready' || state === 'running' ? colours.running : colours.line;
    context.lineWidth = 1;
    if (state === 'pending') context.setLineDash([3, 3]);
    context.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), HIGH - 1);
    context.setLineDash([]);
  } else {
    context.fillStyle = state === 'ready' || state === 'running' ? colours.running : colours.line;
    context.globalAlpha = state === 'ready' ? FAINT : 1;
    context.fillRect(x, y, width, HIGH);
    context.globalAlpha = 1;
  }
}
