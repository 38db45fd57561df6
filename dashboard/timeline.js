// A job over time: a lane for each worker, a bar for each task. In: a graph. Out: a canvas that zooms, scrolls and moves
// from task to task by keyboard; what is chosen is said in text under it.

import { Canvas, cross, hatch, label, tip } from './canvas.js';
import { now } from './clock.js';
import { h } from './dom.js';
import { duration, moment } from './format.js';
import { lanes, step } from './lanes.js';

const AXIS = 22;
const TRACK = 18;
const LANE_GAP = 7;
const ZOOM = 1.6;
const WIDE_MIN_MS = 20;

export class Timeline {
  constructor(graph, { select, open }) {
    Object.assign(this, { graph, select, open, selected: null, from: 0, to: 0, lanes: [], bars: [], left: 110, isLive: false });
    this.canvas = new Canvas('timeline-canvas', (...given) => this.draw(...given));
    this.tip = tip();
    this.spacer = h('div', { class: 'timeline-spacer' });
    this.scroller = h('div', { class: 'timeline-scroll' }, this.spacer);
    this.text = h('p', { class: 'timeline-text quiet', 'aria-live': 'polite' });
    const button = (text, title, does) => h('button', { type: 'button', class: 'small', title, 'aria-label': title, onclick: does }, text);
    this.space = h('div', {
      class: 'timeline-space', tabIndex: 0, role: 'application', 'aria-label': 'Timeline. Arrow keys go from task to task, Enter shows the attempts.',
      onkeydown: (event) => this.press(event),
    }, this.canvas.element, this.scroller, this.tip.element);
    this.element = h('div', { class: 'timeline' },
      h('div', { class: 'tools' }, legend(),
        button('−', 'Zoom out (−)', () => this.zoom(1 / ZOOM)), button('+', 'Zoom in (+)', () => this.zoom(ZOOM)),
        button('All', 'The whole job (0)', () => this.whole())),
      this.space, this.text);
    this.scroller.addEventListener('scroll', () => this.canvas.again(), { passive: true });
    this.scroller.addEventListener('pointermove', (event) => this.hover(event));
    this.scroller.addEventListener('pointerleave', () => this.tip.hide());
    this.scroller.addEventListener('click', (event) => this.click(event));
    this.scroller.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    this.ticking = setInterval(() => this.isLive && this.again(), 1000);
  }

  close() {
    clearInterval(this.ticking);
    this.canvas.close();
  }

  /** Draws the graph as it is now. */
  again() {
    const time = now();
    const tasks = [...this.graph.tasks.values()];
    this.isLive = tasks.some((task) => task.state === 'running');
    this.lanes = lanes(tasks, time);
    let y = AXIS;
    this.bars = [];
    for (const lane of this.lanes) {
      lane.y = y;
      lane.tracks.forEach((track, at) => {
        for (const bar of track) this.bars.push(Object.assign(bar, { y: y + at * TRACK, worker: lane.worker }));
      });
      y += lane.tracks.length * TRACK + LANE_GAP;
    }
    this.first = Math.min(...this.bars.map((bar) => bar.from));
    this.last = Math.max(...this.bars.map((bar) => bar.to));
    this.spacer.style.setProperty('height', `${y}px`);
    this.space.style.setProperty('--high', `${Math.max(AXIS + TRACK, y)}px`);
    this.canvas.again();
    if (!this.bars.length) this.text.textContent = 'No task has started yet.';
    else this.describe();
  }

  show(task) {
    this.selected = task;
    this.describe();
    this.canvas.again();
  }

  span() {
    if (this.to > this.from) return [this.from, this.to];
    return [this.first, Math.max(this.first + WIDE_MIN_MS, this.last)];
  }

  zoom(factor, around) {
    if (!this.bars.length) return;
    const [from, to] = this.span();
    const chosen = this.bars.find((bar) => bar.task.task === this.selected);
    const middle = around ?? (chosen ? Math.min(to, Math.max(from, (chosen.from + chosen.to) / 2)) : (from + to) / 2);
    this.look(middle - (middle - from) / factor, middle + (to - middle) / factor);
  }

  whole() {
    [this.from, this.to] = [0, 0];
    this.canvas.again();
  }

  look(from, to) {
    const wide = Math.max(WIDE_MIN_MS, to - from);
    if (wide >= this.last - this.first) return this.whole();
    this.from = Math.max(this.first, Math.min(this.last - wide, from));
    this.to = this.from + wide;
    this.canvas.again();
  }

  wheel(event) {
    const [from, to] = this.span();
    const width = this.canvas.element.clientWidth - this.left;
    if (event.ctrlKey) {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, from + ((event.offsetX - this.left) / width) * (to - from));
    } else if (this.to > this.from && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      const by = (event.deltaX / width) * (to - from);
      this.look(from + by, to + by);
    }
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.bars.length) return;
    const at = this.bars.findIndex((bar) => bar.task.task === this.selected);
    const ends = { Home: 0, End: this.bars.length - 1 };
    if (event.key in ends) this.choose(this.bars[ends[event.key]]);
    else if (event.key === 'ArrowRight') this.choose(this.bars[Math.min(this.bars.length - 1, at + 1)]);
    else if (event.key === 'ArrowLeft') this.choose(this.bars[Math.max(0, at - 1)]);
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') this.choose(this.beside(this.bars[Math.max(0, at)], event.key === 'ArrowDown' ? 1 : -1));
    else if (event.key === 'Enter' && at >= 0) this.open(this.selected, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The bar in the next lane that is nearest in time. */
  beside(bar, by) {
    const lane = this.lanes[this.lanes.findIndex((other) => other.worker === bar.worker) + by];
    if (!lane) return bar;
    const distance = (other) => Math.max(0, other.from - bar.to, bar.from - other.to);
    return lane.tracks.flat().reduce((best, other) => (distance(other) < distance(best) ? other : best));
  }

  choose(bar) {
    this.selected = bar.task.task;
    const [from, to] = this.span();
    if (bar.to < from || bar.from > to) this.look(bar.from - (to - from) / 2, bar.from + (to - from) / 2);
    const { scrollTop, clientHeight } = this.scroller;
    if (bar.y - AXIS < scrollTop) this.scroller.scrollTop = bar.y - AXIS;
    else if (bar.y + TRACK > scrollTop + clientHeight) this.scroller.scrollTop = bar.y + TRACK - clientHeight;
    this.describe();
    this.canvas.again();
    this.select(this.selected);
  }

  describe() {
    const bar = this.bars.find((other) => other.task.task === this.selected);
    const text = bar ? `${bar.task.task}, ${bar.task.state}, on ${bar.worker}, ${duration(bar.to - bar.from)}, from ${moment(bar.from)}` : '';
    if (this.text.textContent !== text) this.text.textContent = text;
  }

  at(event) {
    const [from, to] = this.span();
    const scale = (this.canvas.element.clientWidth - this.left) / (to - from);
    const x = event.clientX - this.scroller.getBoundingClientRect().left;
    const y = event.clientY - this.scroller.getBoundingClientRect().top + this.scroller.scrollTop;
    const time = from + (x - this.left) / scale;
    const near = 3 / scale;
    if (x < this.left) return undefined;
    return this.bars.find((bar) => bar.y <= y && y < bar.y + TRACK && bar.from - near <= time && time <= bar.to + near);
  }

  hover(event) {
    const bar = this.at(event);
    if (!bar) return this.tip.hide();
    const { left, top } = this.space.getBoundingClientRect();
    this.tip.show(event.clientX - left, event.clientY - top, this.space.clientWidth,
      h('b', {}, bar.task.task), ` ${bar.task.state}`, h('div', {}, `${duration(bar.to - bar.from)} on ${bar.worker}`));
  }

  click(event) {
    const bar = this.at(event);
    if (!bar) return;
    this.choose(bar);
    this.open(bar.task.task);
  }

  draw(context, width, height, colours) {
    if (!this.bars.length) return;
    this.left = width < 480 ? 72 : 110;
    const [from, to] = this.span();
    const scale = (width - this.left) / (to - from);
    const top = this.scroller.scrollTop;
    axis(context, { from, to, first: this.first, left: this.left, width, height, scale, colours });
    for (const lane of this.lanes) {
      const y = lane.y - top;
      if (y + lane.tracks.length * TRACK < AXIS || y > height) continue;
      context.save();
      context.beginPath();
      context.rect(0, AXIS, width, height - AXIS);
      context.clip();
      label(context, lane.worker, 0, y + TRACK / 2, this.left - 6, colours.text);
      context.fillStyle = colours.line;
      context.fillRect(0, y + lane.tracks.length * TRACK + 3, width, 1);
      context.beginPath();
      context.rect(this.left, AXIS, width - this.left, height - AXIS);
      context.clip();
      for (const track of lane.tracks) {
        for (const bar of track) {
          if (bar.to < from || bar.from > to) continue;
          this.bar(context, bar, this.left + (bar.from - from) * scale, Math.max(1.5, (bar.to - bar.from) * scale), bar.y - top, colours);
        }
      }
      context.restore();
    }
  }

  bar(context, { task }, x, width, y, colours) {
    const kind = task.kind;
    // Kinds differ in height and filling, states in hatching and crosses.
    const inset = { execute: 5, prove: 1, fold: 2, seal: 1 }[kind] ?? 1;
    const high = TRACK - 2 * inset - 1;
    const wide = width > 4 ? width - 1 : width;
    const fill = task.state === 'dead' ? colours.dead : { execute: colours.quiet, prove: colours.accent, fold: colours['done-fill'], seal: colours.text }[kind];
    context.globalAlpha = task.state === 'cancelled' ? 0.4 : 1;
    context.fillStyle = fill;
    context.fillRect(x, y + inset, wide, high);
    if (task.state === 'running' && wide > 4) hatch(context, x, y + inset, wide, high, colours.ground);
    if (task.state === 'dead' && wide > 8) cross(context, x, y + inset, wide, high, colours['on-fill']);
    if (task.state !== 'running' && high > 9) label(context, task.task, x + 4, y + TRACK / 2, wide - 8, { seal: colours.ground, fold: colours.text }[kind] ?? colours['on-fill']);
    context.globalAlpha = 1;
    if (task.task === this.selected) {
      context.strokeStyle = colours.text;
      context.lineWidth = 2;
      context.strokeRect(x, y + inset, Math.max(3, wide), high);
    }
  }
}

function axis(context, { from, to, first, left, width, height, scale, colours }) {
  const every = step(to - from, Math.max(2, (width - left) / 80));
  for (let at = Math.ceil((from - first) / every) * every; first + at <= to; at += every) {
    const x = left + (first + at - from) * scale;
    context.fillStyle = colours.line;
    context.fillRect(Math.round(x), AXIS - 4, 1, height);
    const text = at === 0 ? '0' : duration(at).replace('.0 s', ' s');
    if (x + context.measureText(text).width + 4 < width) label(context, text, x + 3, AXIS / 2, 80, colours.quiet);
  }
}

function legend() {
  return h('span', { class: 'legend' }, ['execute', 'prove', 'fold', 'seal'].map((kind) => h('span', {}, h('i', { class: `key is-${kind}`, 'aria-hidden': 'true' }), kind)));
}
