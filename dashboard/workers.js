// The fleet. In: `/workers`, every two seconds. Out: who takes tasks, what they run and how they do; administrators drain and
// resume them.

import { get, post } from './api.js';
import { fill, h, keyed, say } from './dom.js';
import { bytes, plural, shortJob, ticking } from './format.js';
import { badge, progress } from './icons.js';
import { failure, notice, refused } from './notice.js';
import { poll } from './poll.js';
import { link, reload } from './router.js';
import { isAdmin, onChange } from './who.js';

export const title = 'Workers';
const EVERY_MS = 2000;
// Two beats; a worker that is silent for longer has trouble.
const SILENT_MS = 10_000;
const STATES = ['active', 'draining', 'quarantined', 'gone'];

export function match(parts) {
  return parts[0] === 'workers' && parts.length <= 2 ? { worker: parts[1] } : null;
}

export function show(root, { worker }) {
  const sum = h('p', { class: 'quiet', role: 'status' });
  const gone = h('input', { type: 'checkbox', id: 'gone' });
  const list = h('ul', { class: 'workers', 'aria-label': 'Workers' });
  const note = h('p', { class: 'empty' }, 'Loading…');
  const names = h('div', { class: 'workers-head', 'aria-hidden': 'true' },
    ['Worker', 'State', 'Heartbeat', 'Slots', 'RAM', 'Runs'].map((name) => h('span', {}, name)));
  fill(root, h('div', { class: 'title' }, h('h1', {}, 'Workers'), sum, h('label', { class: 'check', for: 'gone' }, gone, 'Show gone')), names, list, note);
  let workers = [];
  let wanted = worker;
  gone.checked = Boolean(worker);

  function draw() {
    const order = new Intl.Collator('en', { numeric: true });
    const shown = workers.filter((one) => one.state !== 'gone' || gone.checked)
      .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || order.compare(a.name, b.name));
    const active = workers.filter((one) => one.state === 'active');
    const busy = active.reduce((total, one) => total + one.running.length, 0);
    const slots = active.reduce((total, one) => total + one.slots, 0);
    say(sum, `${plural(active.length, 'worker')} active, ${busy} of ${plural(slots, 'slot')} busy`);
    keyed(list, shown, (one) => one.name, (one) => makeCard(one, again), updateCard);
    names.hidden = !shown.length;
    note.hidden = shown.length > 0;
    if (!shown.length) fill(note, workers.length ? 'Every worker is gone.' : ['No worker has come yet. ', h('code', {}, 'phalanx worker --server URL'), ' starts one.']);
    if (wanted) {
      const card = [...list.children].find((child) => child.dataset.key === wanted);
      wanted = undefined;
      card?.classList.add('is-wanted');
      card?.scrollIntoView({ block: 'center' });
    }
  }
  function again() {
    polling.again();
  }
  gone.addEventListener('change', draw);
  const polling = poll(EVERY_MS, async (signal) => {
    workers = await get('/workers', { signal });
    draw();
  }, (error) => {
    list.replaceChildren();
    names.hidden = true;
    note.hidden = false;
    fill(note, refused(error, reload));
  });
  const forget = onChange(draw);
  return {
    close: () => {
      forget();
      polling.close();
    },
  };
}

function makeCard(worker, again) {
  const part = (className, name) => h('div', { class: className }, h('dt', {}, name), h('dd', {}));
  return h('li', { class: 'worker', tabIndex: -1, 'data-row': '' },
    h('div', { class: 'worker-head' }, h('h2', {}, worker.name), h('span', { class: 'worker-state' }, h('span', {}), h('span', { class: 'worker-strikes' })), h('span', { class: 'actions' }, action(worker, again))),
    h('dl', { class: 'worker-facts' }, part('worker-beat', 'Heartbeat'), part('worker-slots', 'Slots'), part('worker-ram', 'RAM'), part('worker-runs', 'Runs')),
    h('p', { class: 'quiet worker-kind' }));
}

function updateCard(card, worker) {
  const [head, facts, kind] = card.children;
  const [, { firstElementChild: state, lastElementChild: strikes }, actions] = head.children;
  const [heartbeat, slots, ram, runs] = [...facts.children].map((part) => part.lastElementChild);
  card.dataset.state = worker.state;
  if (state.dataset.state !== worker.state) {
    state.dataset.state = worker.state;
    fill(state, badge(worker.state));
  }
  actions.hidden = !isAdmin() || worker.state === 'gone';
  const button = actions.firstElementChild;
  say(button, worker.state === 'active' ? 'Drain' : 'Resume');
  say(strikes, worker.strikes ? plural(worker.strikes, 'strike') : '');
  strikes.title = 'Proofs it made that do not verify. After three it gets no more tasks.';
  const isSilent = worker.silent_ms > SILENT_MS && worker.state !== 'gone';
  say(heartbeat, `${worker.silent_ms < 1000 ? 'just now' : `${ticking(worker.silent_ms)} ago`}${isSilent ? ', late' : ''}`);
  heartbeat.className = isSilent ? 'is-late' : '';
  say(slots, `${worker.running.length} of ${worker.slots}`);
  const part = worker.ram_bytes ? worker.resident_bytes / worker.ram_bytes : 0;
  const text = `${bytes(worker.resident_bytes)} of ${bytes(worker.ram_bytes)}`;
  fill(ram, progress(part, `RAM, ${text}`, part > 1 ? 'dead' : 'running'), h('span', {}, text));
  const shown = JSON.stringify(worker.running);
  if (runs.dataset.shown !== shown) {
    runs.dataset.shown = shown;
    fill(runs, worker.running.length
      ? worker.running.map(({ job, task }) => h('a', { href: link(['jobs', job, task]), title: `of job ${job}` }, h('b', {}, task), h('code', {}, ` ${shortJob(job).slice(-6)}`)))
      : h('span', { class: 'quiet' }, 'nothing'));
  }
  say(kind, `${worker.kinds.join(', ')} · ${plural(worker.cores, 'core')} · phalanx ${worker.version} · ${engine(worker.engine)}`);
  kind.title = worker.engine;
}

function action(worker, again) {
  const button = h('button', { type: 'button', class: 'small' });
  button.addEventListener('click', async () => {
    const does = button.textContent === 'Drain' ? 'drain' : 'resume';
    button.disabled = true;
    try {
      await post(`/workers/${encodeURIComponent(worker.name)}/${does}`, {});
      notice(does === 'drain' ? `${worker.name} finishes what it has and takes no more.` : `${worker.name} takes tasks again.`);
      again();
    } catch (error) {
      failure(error);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

/** The engine's name and version; its whole identity has a key's digest too. */
function engine(text) {
  try {
    const { name, version } = JSON.parse(text);
    return version ? `${name} ${version}` : (name ?? text);
  } catch {
    return text.replace(/ \([0-9a-f]{64}\)$/, '');
  }
}
