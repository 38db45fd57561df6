// The JSON API. In: a path under /v1. Out: what it answered, or an `ApiError` with the typed body. Asks for a token once when
// the gateway wants one; it stays in the session's storage and is sent as a header, never in a URL.

import { learn } from './clock.js';

const KEY = 'phalanx.token';
let askForToken = () => Promise.reject(new Error('no token dialog'));
let tokenGiven = () => {};
let asking = null;

/** A refusal: `code`, `message` and `hint` of the API's error body. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.message);
    this.status = status;
    this.code = body.code;
    this.hint = body.hint;
  }

  /** Whether the same request may succeed later. */
  get mayRetry() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Sets who is asked for a token: a function of the reason that gives a promise of the token. */
export function onTokenWanted(ask) {
  askForToken = ask;
}

/** Sets who is told that there is another token. */
export function onTokenGiven(listener) {
  tokenGiven = listener;
}

/** The token, if there is one. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** Forgets the token. */
export function forgetToken() {
  sessionStorage.removeItem(KEY);
}

/** GET: the JSON. */
export async function get(path, options) {
  return (await request('GET', path, undefined, options)).json();
}

/** POST: the JSON, or null when there is none. */
export async function post(path, body) {
  return jsonOf(await request('POST', path, body));
}

/** DELETE: the JSON, or null when there is none. */
export async function remove(path) {
  return jsonOf(await request('DELETE', path));
}

/** GET: the bytes. */
export async function bytesOf(path) {
  return (await request('GET', path)).blob();
}

/** A request with the token; asks for one and repeats it if the gateway says 401. */
export async function request(method, path, body, { signal, headers } = {}) {
  for (;;) {
    const sent = token();
    const all = new Headers(headers);
    if (sent) all.set('Authorization', `Bearer ${sent}`);
    if (body !== undefined) all.set('Content-Type', 'application/json');
    let answer;
    try {
      answer = await fetch(`/v1${path}`, {
        method,
        headers: all,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
        cache: 'no-store',
        credentials: 'omit',
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError(0, { code: 'unreachable', message: 'The gateway does not answer.' });
    }
    learn(answer.headers.get('Date'));
    if (answer.ok) return answer;
    const refused = new ApiError(answer.status, await errorBody(answer));
    if (answer.status !== 401) throw refused;
    // Another request may have got a token meanwhile; then that one is tried before anybody is asked.
    if (token() === sent) await newToken(sent ? refused.message : undefined);
  }
}

/** Asks once, however many requests wait for it. */
export async function newToken(reason) {
  asking ??= askForToken(reason)
    .then((given) => {
      sessionStorage.setItem(KEY, given);
      tokenGiven();
    })
    .finally(() => {
      asking = null;
    });
  await asking;
}

async function jsonOf(answer) {
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function errorBody(answer) {
  try {
    const body = await answer.json();
    if (typeof body.message === 'string') return body;
  } catch {
    // A proxy in between answers in its own words; the status says enough.
  }
  return { code: 'unknown', message: `The gateway answered ${answer.status}.` };
}
