// The tasks of a job as a tree: segments under folds under the seal. In: tasks as they come, in any order. Out: parents, roots,
// what a subtree has done, and which segments it covers. While the execution runs there are several roots.

export const STATES = ['done', 'running', 'ready', 'pending', 'dead', 'cancelled'];

/** `[rank, layer, index]` of a task's name: the order of a job's tasks. */
export function position(task) {
  if (task === 'execute') return [0, 0, 0];
  if (task === 'seal') return [3, 0, 0];
  const [kind, place] = task.split('-');
  if (kind === 'prove') return [1, 0, Number(place)];
  const [layer, index] = place.split('.');
  return [2, Number(layer), Number(index)];
}

/** Orders tasks by their names. */
export function byPosition(a, b) {
  const [one, other] = [position(a), position(b)];
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2];
}

/** The tasks that are known of a job. */
export class Graph {
  constructor() {
    this.tasks = new Map();
    this.parents = new Map();
    this.forget();
  }

  /** Takes a task as it stands now. An older word about it changes nothing. */
  put(task) {
    const known = this.tasks.get(task.task);
    if (known && known.changed_ms > task.changed_ms) return;
    this.tasks.set(task.task, task);
    for (const child of task.children) this.parents.set(child, task.task);
    this.forget();
  }

  /** Drops what was computed. */
  forget() {
    this.made = null;
  }

  get(task) {
    return this.tasks.get(task);
  }

  /** Children that are known, in the order in which the task takes them. */
  children(task) {
    return (this.tasks.get(task)?.children ?? []).filter((child) => this.tasks.has(child));
  }

  parent(task) {
    const parent = this.parents.get(task);
    return this.tasks.has(parent) ? parent : undefined;
  }

  /** Tasks that nothing takes yet: the seal, or while it is not there the tops of what is. */
  get roots() {
    return this.all().roots;
  }

  /** How many tasks of the job are in each state. */
  get counts() {
    return this.all().counts;
  }

  /** How many segments are known. */
  get segments() {
    return this.all().segments;
  }

  /** Of a task: its subtree's tasks by state, and its segments `[from, to)`. */
  sum(task) {
    return this.all().sums.get(task);
  }

  all() {
    this.made ??= compute(this);
    return this.made;
  }
}

function compute(graph) {
  const names = [...graph.tasks.keys()].sort(byPosition);
  const sums = new Map();
  const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
  let segments = 0;
  // Children stand before their parents in this order, so each sum needs only sums that are there.
  for (const name of names) {
    const task = graph.tasks.get(name);
    counts[task.state] += 1;
    const [rank, , index] = position(name);
    const sum = { total: 1, from: Infinity, to: -Infinity, counts: Object.fromEntries(STATES.map((state) => [state, 0])) };
    sum.counts[task.state] = 1;
    if (rank === 1) {
      sum.from = index;
      sum.to = index + 1;
      segments = Math.max(segments, index + 1);
    }
    for (const child of task.children) {
      const part = sums.get(child);
      if (!part) continue;
      sum.total += part.total;
      sum.from = Math.min(sum.from, part.from);
      sum.to = Math.max(sum.to, part.to);
      for (const state of STATES) sum.counts[state] += part.counts[state];
    }
    sums.set(name, sum);
  }
  const roots = names.filter((name) => graph.parent(name) === undefined);
  // What is nearest to the receipt first; the execution, which all depends on, before all.
  roots.sort((a, b) => Number(b === 'execute') - Number(a === 'execute') || sums.get(a).from - sums.get(b).from || byPosition(b, a));
  return { names, sums, counts, roots, segments };
}
