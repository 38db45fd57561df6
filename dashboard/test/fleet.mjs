// A client and a worker that do what a test says, step by step, over the real API. In: the gateway's URL and an administrator's
// token. Out: jobs that stand exactly where a test wants to see them. What they make are random bytes, no proofs.

import { randomBytes } from 'node:crypto';
import { blake3 } from '@noble/hashes/blake3.js';

const BEAT_MS = 5000;
const ANNOUNCED_MAX = 256;
const LEAF_ARITY = 4;
const ARITY = 3;
const KINDS = ['execute', 'prove', 'fold', 'seal'];
const GIB = 2 ** 30;
const PREDICTED = { execute: GIB, prove: 3 * GIB, fold: 2 * GIB, seal: 4 * GIB };

export class Fleet {
  constructor({ url, admin }) {
    Object.assign(this, { url, token: admin, jobs: [], workers: [] });
  }

  /** One request; gives JSON, or null when there is no body. */
  async call(method, path, body, type = 'application/json') {
    const headers = { Authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'Content-Type': type }) };
    const sent = body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body);
    const answer = await fetch(`${this.url}/v1${path}`, { method, headers, body: sent });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** A job that nobody has asked for before. */
  async submit() {
    const bytes = 'application/octet-stream';
    const program = await this.call('POST', '/programs', Buffer.concat([Buffer.from('\x7fELF', 'latin1'), randomBytes(64)]), bytes);
    const input = await this.call('POST', '/inputs', Buffer.concat([Buffer.from('PHin'), randomBytes(64)]), bytes);
    const { job } = await this.call('POST', '/jobs', { program: program.digest, input: input.digest });
    this.jobs.push(job);
    return job;
  }

  job(job) {
    return this.call('GET', `/jobs/${job}`);
  }

  /** A worker that has registered and beats until it leaves. */
  async worker(name, kinds = KINDS) {
    const worker = new Worker(this, name, kinds);
    this.workers.push(worker);
    await worker.register();
    return worker;
  }

  /** Ends what a test has left, so that the next one finds nothing to claim. */
  async close() {
    for (const worker of this.workers) await worker.leave();
    for (const job of this.jobs) await this.call('DELETE', `/jobs/${job}`);
  }
}

class Worker {
  constructor(fleet, name, kinds) {
    Object.assign(this, { fleet, name, kinds, boot: randomBytes(8).toString('hex'), running: [] });
  }

  say(verb, body) {
    return this.fleet.call('POST', `/workers/${this.name}/${verb}`, body);
  }

  async register() {
    const engine = { name: 'openvm', version: '2.0.2', verifying_key: 'ab'.repeat(32) };
    await this.fleet.call('POST', '/workers', {
      name: this.name, boot: this.boot, version: '0.1.0', engine, kinds: this.kinds, ram_bytes: 24 * GIB, cores: 8, slots: 4,
    });
    await this.beat();
    this.beating = setInterval(() => this.beat().catch(() => {}), BEAT_MS);
  }

  beat() {
    return this.say('beat', { boot: this.boot, running: this.running.map((held) => ({ held })), resident_bytes: 9 * GIB });
  }

  async leave() {
    if (!this.beating) return;
    clearInterval(this.beating);
    this.beating = null;
    await this.say('leave', { boot: this.boot });
  }

  /** The next task, or null. */
  async claim(wait_ms = 5000) {
    const task = await this.say('claim', { boot: this.boot, kinds: this.kinds, ram_bytes: 24 * GIB, wait_ms });
    if (!task) return null;
    const held = { job: task.job, task: task.task, attempt: task.attempt };
    this.running.push(held);
    return { ...task, held };
  }

  drop(held) {
    this.running = this.running.filter((other) => other !== held);
  }

  /** Claims an execution and announces a job of so many segments. */
  async execute(segments) {
    const task = await this.claim();
    if (!task?.spec.execute) throw new Error(`wanted an execution, got ${JSON.stringify(task)}`);
    await this.say('settle', { held: task.held, cut: { segment_cycles_max: 1_000_000, segment_bytes_max: 8 * GIB } });
    const all = tree(segments, task.inputs[0]);
    for (let at = 0; at < all.length; at += ANNOUNCED_MAX) {
      const isLast = at + ANNOUNCED_MAX >= all.length;
      const totals = isLast ? { cycles: segments * 1_000_003, segments } : undefined;
      await this.say('announce', { held: task.held, tasks: all.slice(at, at + ANNOUNCED_MAX), ...(totals && { totals }) });
    }
    return task;
  }

  /** Completes a task with something that nobody made before. */
  async complete(task) {
    const kind = task.spec === 'seal' ? 'receipt' : task.spec.execute ? 'execution' : 'proof';
    const output = await this.upload(kind);
    await this.say('complete', { held: task.held, output, cpu_ms: 12, peak_bytes: GIB });
    this.drop(task.held);
    return output;
  }

  /** Fails a task. */
  async fail(task, verdict, detail) {
    await this.say('fail', { held: task.held, verdict, detail });
    this.drop(task.held);
  }

  /** Claims and completes so many tasks, or all there are. */
  async work(tasks = Infinity) {
    let done = 0;
    while (done < tasks) {
      const task = await this.claim(done ? 300 : 5000);
      if (!task) return done;
      await this.complete(task);
      done += 1;
    }
    return done;
  }

  async upload(kind) {
    const bytes = randomBytes(4096);
    const digest = Buffer.from(blake3(bytes)).toString('hex');
    await this.fleet.call('PUT', `/artifacts/${digest}?form=raw&kind=${kind}`, bytes, 'application/octet-stream');
    return digest;
  }
}

/** What an execution announces: segments, folds over them, the seal; children before parents. */
function tree(segments, program) {
  const artifact = (digest) => ({ artifact: { digest } });
  const result = (task) => ({ result: { task } });
  const tasks = [];
  let layer = [];
  for (let index = 0; index < segments; index += 1) {
    // Equal segments would have one proof, which the gateway would find. Nobody reads these.
    const segment = randomBytes(32).toString('hex');
    tasks.push({ task: `prove-${index}`, spec: { prove: { cycles: 1_000_003 } }, inputs: [artifact(program), artifact(segment)], ram_bytes: PREDICTED.prove });
    layer.push(`prove-${index}`);
  }
  for (let height = 0; height === 0 || layer.length > 1; height += 1) {
    const next = [];
    const arity = height ? ARITY : LEAF_ARITY;
    for (let at = 0; at < layer.length; at += arity) {
      const name = `fold-${height}.${next.length}`;
      tasks.push({ task: name, spec: { fold: { layer: height } }, inputs: layer.slice(at, at + arity).map(result), ram_bytes: PREDICTED.fold });
      next.push(name);
    }
    layer = next;
  }
  tasks.push({ task: 'seal', spec: 'seal', inputs: [artifact(program), result('execute'), result(layer[0])], ram_bytes: PREDICTED.seal });
  return tasks;
}
