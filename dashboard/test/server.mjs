// The gateway under test. In: a command, or PHALANX_URL. Out: its URL and tokens; it ends with the test.
//
// The command prints a line of JSON on stdout when it listens: {"url": "http://127.0.0.1:…", "admin": "phx_…", "client": "phx_…"}.
// It wants tokens, believes every receipt and has no worker: the test brings its own.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const START_MS_MAX = 600_000;

/** `{ url, admin, client, stop }` */
export async function start(command) {
  const { PHALANX_URL: url, PHALANX_ADMIN_TOKEN: admin, PHALANX_CLIENT_TOKEN: client } = process.env;
  if (url) return { url, admin, client, stop: () => {} };
  if (!command.length) throw new Error('say which gateway: node run.mjs COMMAND…, or PHALANX_URL with its tokens');
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = () => child.kill('SIGTERM');
  process.on('exit', stop);
  const said = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the gateway ended with ${code} before it listened`)));
    setTimeout(() => reject(new Error('the gateway does not listen')), START_MS_MAX).unref();
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      try {
        const told = JSON.parse(line);
        if (told.url) resolve(told);
      } catch {
        // Another line of its output.
      }
    });
  });
  try {
    return { ...(await said), stop };
  } catch (error) {
    stop();
    throw error;
  }
}
