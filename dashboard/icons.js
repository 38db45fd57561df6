// States as a shape with a name, so that no meaning is in colour alone. In: a state's name. Out: nodes.

import { h, svg } from './dom.js';

const SHAPES = {
  // A dotted ring: waits for others.
  pending: [['circle', { cx: 8, cy: 8, r: 5.75, class: 'stroke', 'stroke-dasharray': '2 2.51' }]],
  // A ring: may start.
  ready: [['circle', { cx: 8, cy: 8, r: 5.75, class: 'stroke' }]],
  queued: [['circle', { cx: 8, cy: 8, r: 5.75, class: 'stroke' }]],
  // A ring that is half full: works.
  running: [['circle', { cx: 8, cy: 8, r: 5.75, class: 'stroke' }], ['path', { d: 'M8 4.5a3.5 3.5 0 0 1 0 7z', class: 'solid' }]],
  // A full disc with a tick.
  done: [['circle', { cx: 8, cy: 8, r: 6.5, class: 'solid' }], ['path', { d: 'M5.2 8.2l2 2 3.7-4.2', class: 'cut' }]],
  // A full disc with a cross.
  dead: [['circle', { cx: 8, cy: 8, r: 6.5, class: 'solid' }], ['path', { d: 'M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4', class: 'cut' }]],
  // A ring with a stroke.
  cancelled: [['circle', { cx: 8, cy: 8, r: 5.75, class: 'stroke' }], ['path', { d: 'M4.5 11.5l7-7', class: 'stroke' }]],
  // A full disc with a bar.
  quarantined: [['circle', { cx: 8, cy: 8, r: 6.5, class: 'solid' }], ['path', { d: 'M5 8h6', class: 'cut' }]],
  // An arrow to the ground.
  draining: [['circle', { cx: 8, cy: 8, r: 5.75, class: 'stroke' }], ['path', { d: 'M8 5v5.5M5.7 8.5L8 10.8l2.3-2.3', class: 'stroke' }]],
};
SHAPES.failed = SHAPES.dead;
SHAPES.active = SHAPES.done;
SHAPES.gone = SHAPES.cancelled;

/** The shape of a state. Its name must stand beside it, or be given as `label`. */
export function shape(state, label) {
  const parts = (SHAPES[state] ?? SHAPES.pending).map(([tag, attributes]) => svg(tag, attributes));
  const naming = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  return svg('svg', { viewBox: '0 0 16 16', class: `shape is-${state}`, ...naming }, ...parts);
}

/** Shape and name. */
export function badge(state) {
  return h('span', { class: `badge is-${state}` }, shape(state), state);
}

/** A bar that says how much is done. */
export function progress(part, label, state = 'running') {
  const value = Math.max(0, Math.min(1, part));
  const bar = h('div', {
    class: `progress is-${state}`,
    role: 'progressbar',
    'aria-valuemin': '0',
    'aria-valuemax': '100',
    'aria-valuenow': String(Math.floor(value * 100)),
    'aria-label': label,
  }, h('div', {}));
  bar.firstElementChild.style.setProperty('--part', String(value));
  return bar;
}
