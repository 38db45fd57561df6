// Which bar goes where in a timeline. In: tasks. Out: a lane for each worker, with as many tracks as it ran tasks at once.

/** `[{ worker, tracks: [[bar]] }]`; a bar is `{ task, from, to }` in milliseconds. What runs ends `now`. */
export function lanes(tasks, now) {
  const byWorker = new Map();
  for (const task of tasks) {
    if (task.started_ms == null || !task.worker) continue;
    const to = task.state === 'running' ? now : (task.ended_ms ?? task.started_ms);
    if (!byWorker.has(task.worker)) byWorker.set(task.worker, []);
    byWorker.get(task.worker).push({ task, from: task.started_ms, to: Math.max(to, task.started_ms) });
  }
  const names = [...byWorker.keys()].sort(new Intl.Collator('en', { numeric: true }).compare);
  return names.map((worker) => ({ worker, tracks: pack(byWorker.get(worker)) }));
}

/** Puts bars into the first track that is free when they start. */
function pack(bars) {
  bars.sort((a, b) => a.from - b.from || a.to - b.to);
  const tracks = [];
  for (const bar of bars) {
    const free = tracks.find((track) => track[track.length - 1].to <= bar.from);
    if (free) free.push(bar);
    else tracks.push([bar]);
  }
  return tracks;
}

/** Round steps of an axis: as many as fit, in milliseconds. */
export function step(span_ms, fit) {
  const round = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];
  return round.find((ms) => span_ms / ms <= fit) ?? 864e5 * Math.ceil(span_ms / 864e5 / fit);
}
