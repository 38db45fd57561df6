// Who is looking: the scope and the tenant of the token. In: `/whoami`. Out: what this page may offer.

let known = null;
const listeners = new Set();

/** Asks the gateway; `get` is the API's. */
export async function load(get) {
  try {
    known = await get('/whoami');
    for (const listener of listeners) listener(known);
  } catch {
    // Without an answer nothing is offered that needs more than a client's token.
    known = null;
  }
}

/** Whether things of administrators are offered. */
export function isAdmin() {
  return known?.scope === 'admin';
}

/** Calls `listener` when it is known, now or later. Gives what takes it back. */
export function onChange(listener) {
  listeners.add(listener);
  if (known) listener(known);
  return () => listeners.delete(listener);
}
