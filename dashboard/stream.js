// Server-sent events with a token. In: a path. Out: events, in order; resumes after the last one by itself when the
// connection breaks. `EventSource` cannot send a header, so the stream is read by `fetch`.

import { request } from './api.js';
import { track } from './connection.js';

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;
// The gateway sends comments when nothing happens; silence for so long means that the connection is dead.
const SILENCE_MS_MAX = 45_000;
const LINE_CHARS_MAX = 4 << 20;

/**
 * Reads events until `close()`. `event(name, data)` gets each; `isOver()` says whether an ended stream is to stay ended;
 * `failed(error)` gets a refusal that no retry will mend.
 */
export function openStream(path, { event, isOver = () => false, failed = () => {} }) {
  const source = track();
  const stop = new AbortController();
  run(path, { event, isOver, failed, source, stop }).finally(() => source.close());
  return { close: () => stop.abort() };
}

async function run(path, { event, isOver, failed, source, stop }) {
  let last;
  let failures = 0;
  while (!stop.signal.aborted) {
    try {
      const headers = { Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': last } : {}) };
      const answer = await request('GET', path, undefined, { signal: stop.signal, headers });
      source.live();
      for await (const message of messages(answer.body, stop.signal)) {
        failures = 0;
        if (message.id !== undefined) last = message.id;
        if (message.data !== undefined) tell(event, message);
      }
      if (isOver()) return;
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error.mayRetry === false) {
        failed(error);
        return;
      }
    }
    if (stop.signal.aborted) return;
    const wait_ms = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** failures) * (0.75 + Math.random() / 2);
    failures += 1;
    await source.waiting(wait_ms, stop.signal);
  }
}

/** A mistake in what is done with an event must not look like a broken connection. */
function tell(event, { name, data }) {
  try {
    event(name, JSON.parse(data));
  } catch (error) {
    reportError(error);
  }
}

/** The messages of a stream: `name`, `id`, `data`. */
async function* messages(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let message = { name: 'message' };
  let data = [];
  try {
    for (;;) {
      const { value, done } = await withTimeout(reader.read(), signal);
      if (done) return;
      rest += value;
      const lines = rest.split(/\r\n|\n|\r/);
      rest = lines.pop();
      if (rest.length > LINE_CHARS_MAX) throw new Error('a line of the event stream is too long');
      for (const line of lines) {
        if (line === '') {
          if (data.length) message.data = data.join('\n');
          if (message.data !== undefined || message.id !== undefined) yield message;
          message = { name: 'message' };
          data = [];
          continue;
        }
        const colon = line.indexOf(':');
        if (colon === 0) continue;
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
        if (field === 'event') message.name = text;
        else if (field === 'id') message.id = text;
        else if (field === 'data') data.push(text);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function withTimeout(read, signal) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the event stream is silent')), SILENCE_MS_MAX);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    clearTimeout(timer);
  }
}
