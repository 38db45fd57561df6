// Tests the dashboard in headless Chromium against a real gateway.
//
//   node run.mjs COMMAND…        COMMAND starts the gateway; server.mjs says what it prints
//   PHALANX_URL=… PHALANX_ADMIN_TOKEN=… PHALANX_CLIENT_TOKEN=… node run.mjs
//   SHOTS=DIR                    keeps screenshots there

import { after, before, test } from 'node:test';
import { Browser } from './browser.mjs';
import { cases } from './cases.mjs';
import { looks } from './looks.mjs';
import { Fleet } from './fleet.mjs';
import { start } from './server.mjs';

let gateway;
let browser;

before(async () => {
  gateway = await start(process.argv.slice(2));
  browser = await Browser.open(gateway, process.env.SHOTS);
});

after(async () => {
  await browser?.close();
  gateway?.stop();
});

for (const [name, run] of [...cases, ...looks]) {
  test(name, async () => {
    const fleet = new Fleet(gateway);
    try {
      await run({ browser, gateway, fleet });
    } finally {
      await fleet.close();
    }
  });
}
