// How the dashboard looks: every view, light and dark, wide and on a phone. In: a browser, a fleet. Out: screenshots to look at,
// and an error where a view is wider than its screen.

import assert from 'node:assert/strict';
import { doneJob, failedJob } from './cases.mjs';
import { until } from './browser.mjs';

const SCREENS = [[1280, 800, 'light'], [1280, 800, 'dark'], [360, 740, 'light'], [360, 740, 'dark']];

async function noViewIsWiderThanItsScreen({ browser, fleet }) {
  const [done, failed] = [await doneJob(fleet, 14), await failedJob(fleet)];
  const running = await fleet.submit();
  const worker = await fleet.worker('test-looks');
  await worker.complete(await worker.execute(40));
  await worker.work(17);
  await worker.claim();
  await worker.claim();
  const views = [
    ['jobs', '#/jobs', 'tr[data-key]'],
    ['running', `#/jobs/${running}`, '[data-task]'],
    ['timeline', `#/jobs/${running}?view=timeline`, '.timeline-canvas'],
    ['done', `#/jobs/${done}/fold-0.0`, '.attempts li'],
    ['failed', `#/jobs/${failed}`, '.cause-box'],
    ['workers', '#/workers', '.worker'],
    ['queue', '#/queue', '.grid'],
    ['dead', '#/dead', '.dead-item'],
  ];
  for (const [width, height, colorScheme] of SCREENS) {
    const page = await browser.page({ width, height, colorScheme });
    for (const [name, hash, there] of views) {
      await browser.open(page, hash);
      await page.locator(there).first().waitFor();
      await until(`${name} drawn`, () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(true)))));
      const extra = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(extra <= 0, `${name} is ${extra} px wider than ${width} px`);
      await browser.shoot(page, `${name}-${width}-${colorScheme}`);
    }
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
}

export const looks = [['no view is wider than its screen', noViewIsWiderThanItsScreen]];
