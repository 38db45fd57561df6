// A canvas that is as sharp as the screen and follows size and theme. In: what to draw. Out: calls of it, at most once a frame.

import { h } from './dom.js';

/** `draw(context, width, height, colours)` draws in CSS pixels. */
export class Canvas {
  constructor(className, draw) {
    this.draw = draw;
    this.frame = 0;
    this.element = h('canvas', { class: className });
    this.context = this.element.getContext('2d');
    this.watch = new ResizeObserver(() => this.again());
    this.watch.observe(this.element);
    this.theme = matchMedia('(prefers-color-scheme: dark)');
    this.theme.addEventListener('change', this.again);
  }

  /** Draws at the next frame. */
  again = () => {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  };

  close() {
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    this.theme.removeEventListener('change', this.again);
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    const scale = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.element.width !== wide || this.element.height !== high) Object.assign(this.element, { width: wide, height: high });
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.context.clearRect(0, 0, width, height);
    this.context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    this.context.textBaseline = 'middle';
    this.draw(this.context, width, height, colours());
  }
}

/** The page's colours, by the names that style.css gives them. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ['text', 'quiet', 'line', 'ground', 'raised', 'accent', 'accent-soft', 'pending', 'ready', 'running', 'done', 'done-fill', 'dead', 'cancelled', 'on-fill'];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Diagonal lines, for what is not over: a second sign beside the colour. */
export function hatch(context, x, y, width, height, colour) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let at = x - height - (x % 6); at < x + width; at += 6) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}

/** A cross in the middle, for what is dead. */
export function cross(context, x, y, width, height, colour) {
  const size = Math.min(width, height) / 4;
  const [cx, cy] = [x + width / 2, y + height / 2];
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(cx - size, cy - size);
  context.lineTo(cx + size, cy + size);
  context.moveTo(cx + size, cy - size);
  context.lineTo(cx - size, cy + size);
  context.stroke();
}

/** Text that ends where the space does. */
export function label(context, text, x, y, width, colour) {
  if (width < 18) return;
  context.fillStyle = colour;
  let shown = text;
  while (shown.length > 1 && context.measureText(shown).width > width) shown = shown.slice(0, -1);
  if (shown === text) context.fillText(shown, x, y);
  else if (shown.length > 3) context.fillText(`${shown.slice(0, -1)}…`, x, y);
}

/** A box beside the pointer. */
export function tip() {
  const element = h('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
  return {
    element,
    hide: () => {
      element.hidden = true;
    },
    show: (x, y, width, ...content) => {
      element.replaceChildren(...content);
      element.hidden = false;
      const left = Math.max(0, Math.min(x + 12, width - element.offsetWidth - 4));
      element.style.setProperty('left', `${left}px`);
      element.style.setProperty('top', `${y + 14}px`);
    },
  };
}
