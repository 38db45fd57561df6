// Pages to test. In: the gateway. Out: Chromium's pages that fail a test when something is logged as an error or asked of
// another host.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-quic', '--no-first-run', '--disable-component-update', '--disable-sync'];
const WAIT_MS = 15_000;

export class Browser {
  static async open(gateway, shots) {
    const profile = await mkdtemp(join(tmpdir(), 'phalanx-dashboard-'));
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    // One profile, new and empty, and pages in contexts of their own.
    const chrome = await chromium.launch({ executablePath, args: FLAGS, env: { ...process.env, HOME: profile } });
    if (shots) await mkdir(shots, { recursive: true });
    return Object.assign(new Browser(), { gateway, shots, profile, chrome });
  }

  async close() {
    await this.chrome.close();
    await rm(this.profile, { recursive: true, force: true });
  }

  /** A page of its own session; with a token unless it is null. `problems` has what must not happen. */
  async page({ url: base = this.gateway.url, token = this.gateway.admin, width = 1280, height = 800, colorScheme = 'light' } = {}) {
    const context = await this.chrome.newContext({ viewport: { width, height }, colorScheme, deviceScaleFactor: width < 500 ? 2 : 1, acceptDownloads: true });
    context.setDefaultTimeout(WAIT_MS);
    if (token) await context.addInitScript((text) => sessionStorage.setItem('phalanx.token', text), token);
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.stack));
    page.on('console', (message) => {
      // The browser logs every refused request; tests that provoke one look at what the page makes of it.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) page.problems.push(message.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(base) && !url.startsWith('blob:')) page.problems.push(`asked ${url}`);
      if (/phx_/.test(url)) page.problems.push(`a token in ${url}`);
    });
    return page;
  }

  /** Opens a view. */
  async open(page, hash = '#/jobs') {
    await page.goto(`${this.gateway.url}/${hash}`);
  }

  async shoot(page, name) {
    if (this.shots) await page.screenshot({ path: join(this.shots, `${name}.png`) });
  }
}

/** Waits until `get()` gives what `is` accepts. */
export async function until(what, get, is = Boolean) {
  const end = Date.now() + WAIT_MS;
  let value;
  for (;;) {
    value = await get();
    if (is(value)) return value;
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
