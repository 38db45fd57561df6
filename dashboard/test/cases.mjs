// What a user does with the dashboard, and what must be seen then. In: a browser, a gateway, a fleet. Out: errors.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { until } from './browser.mjs';
import { Wire } from './wire.mjs';

const cases = [];
const add = (name, run) => cases.push([name, async (all) => run(all)]);
export { cases };

const row = (page, job) => page.locator(`tr[data-key="${job}"]`);
const rowText = (page, job) => async () => ((await row(page, job).count()) ? row(page, job).innerText() : '');
const has = (...texts) => (shown) => texts.every((text) => shown.includes(text));
const clean = (page) => assert.deepEqual(page.problems, []);

/** Makes a job, runs it to its end and gives its name. */
export async function doneJob(fleet, segments = 5) {
  const job = await fleet.submit();
  const worker = await fleet.worker('test-done');
  await worker.complete(await worker.execute(segments));
  await worker.work();
  await worker.leave();
  assert.equal((await fleet.job(job)).state, 'done');
  return job;
}

/** Makes a job that fails in its third segment. */
export async function failedJob(fleet) {
  const job = await fleet.submit();
  const worker = await fleet.worker('test-failing');
  await worker.complete(await worker.execute(5));
  for (;;) {
    const task = await worker.claim();
    if (task.task === 'prove-2') {
      await worker.fail(task, 'fail_job', 'guest panicked at src/main.rs:41: <b>index</b> out of bounds');
      break;
    }
    await worker.complete(task);
  }
  await worker.leave();
  assert.equal((await fleet.job(job)).state, 'failed');
  return job;
}

add('a page without a token asks for one and says when it is wrong', async ({ browser, gateway }) => {
  const page = await browser.page({ token: null });
  await browser.open(page);
  const dialog = page.getByRole('dialog', { name: 'Token' });
  await dialog.waitFor();
  await browser.shoot(page, 'token');
  await page.getByRole('textbox', { name: 'Token' }).fill('phx_wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await page.getByRole('textbox', { name: 'Token' }).fill(gateway.client);
  await page.keyboard.press('Enter');
  await page.getByText('Live', { exact: true }).waitFor();
  assert.equal(await dialog.isVisible(), false);
  assert.match(await page.locator('#who').innerText(), /^client · /);
  // The session has it now; another tab does not.
  await page.reload();
  await page.getByText('Live', { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  clean(page);
});

add('nothing is shown until somebody gives a token', async ({ browser, gateway }) => {
  const page = await browser.page({ token: null });
  await browser.open(page, '#/workers');
  await page.getByRole('dialog', { name: 'Token' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.worker').count(), 0);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('textbox', { name: 'Token' }).fill(gateway.admin);
  await page.keyboard.press('Enter');
  await page.getByText('Live', { exact: true }).waitFor();
  await page.locator('#who').getByText('admin').waitFor();
  clean(page);
});

add('a job is seen from queued to done without reloading', async ({ browser, fleet }) => {
  const page = await browser.page();
  await browser.open(page);
  await page.getByText('Live', { exact: true }).waitFor();
  await page.evaluate(() => { window.isSame = true; });
  const job = await fleet.submit();
  await until('queued', rowText(page, job), has('queued'));
  const worker = await fleet.worker('test-live');
  const execution = await worker.execute(8);
  await until('announced', rowText(page, job), has('running', '0/1', '0/8'));
  await worker.complete(execution);
  await worker.work(4);
  await until('half', rowText(page, job), has('running', '1/1', '/8', '8.00 M'));
  await worker.work();
  await until('done', rowText(page, job), has('done', '8/8', '3/3', '100 %'));
  await worker.leave();
  assert.equal(await page.evaluate(() => window.isSame), true);
  clean(page);
});

add('jobs are filtered by state, and the link keeps it', async ({ browser, fleet }) => {
  const [done, failed] = [await doneJob(fleet), await failedJob(fleet)];
  const page = await browser.page();
  await browser.open(page);
  await row(page, done).waitFor();
  await page.getByLabel('State', { exact: true }).selectOption('failed');
  await until('only failed', async () => (await row(page, failed).count()) - (await row(page, done).count()), (difference) => difference === 1);
  assert.match(page.url(), /#\/jobs\?state=failed$/);
  assert.match(await row(page, failed).innerText(), /prove-2: guest panicked at src\/main\.rs:41: <b>index<\/b>/);
  clean(page);
});

add('a running job shows its tree, what each task does, and its attempts', async ({ browser, fleet }) => {
  const job = await fleet.submit();
  const worker = await fleet.worker('test-tree');
  await worker.complete(await worker.execute(8));
  const bad = await worker.claim();
  await worker.fail(bad, 'retry', 'the machine ran out of memory');
  const page = await browser.page();
  await browser.open(page, `#/jobs/${job}`);
  const tree = page.getByRole('treegrid', { name: 'Tasks' });
  const task = (name) => tree.locator(`[data-task="${name}"]`);
  await task('fold-1.0').waitFor();
  assert.equal(await task('seal').getAttribute('aria-expanded'), 'true');
  await task(bad.task).getByText('1 failed').waitFor();
  // Leaves of another branch go on being done while one looks.
  const other = await worker.claim();
  await until('running', () => task(other.task).innerText(), has('running', 'test-tree'));
  await worker.complete(other);
  await until('done', () => task(other.task).innerText(), has('done'));
  await task(bad.task).locator('.tree-task').click();
  const panel = page.getByRole('complementary', { name: bad.task });
  await panel.getByText('the machine ran out of memory').last().waitFor();
  assert.equal(page.url().endsWith(`#/jobs/${job}/${bad.task}`), true);
  await page.getByRole('button', { name: /^done \d+$/ }).click();
  await until('filtered', () => tree.locator('[data-task]').allInnerTexts(), (rows) => rows.length === 2 && rows.every((text) => text.includes('done')));
  await worker.work();
  await worker.leave();
  await page.locator('.job-state').getByText('done').waitFor();
  clean(page);
});

add('the timeline has a lane for each worker and tells about its bars', async ({ browser, fleet }) => {
  const job = await doneJob(fleet, 6);
  const page = await browser.page();
  await browser.open(page, `#/jobs/${job}?view=timeline`);
  const timeline = page.getByRole('application', { name: /^Timeline/ });
  await timeline.focus();
  await until('bars', async () => {
    await page.keyboard.press('Home');
    return page.locator('.timeline-text').innerText();
  }, has('execute, done, on test-done'));
  await page.keyboard.press('ArrowRight');
  await until('next', () => page.locator('.timeline-text').innerText(), has('done, on test-done', 'prove-'));
  await page.keyboard.press('Enter');
  await page.getByRole('complementary').getByText('Attempts').waitFor();
  assert.equal(await page.locator('.timeline-canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((part) => part > 0);
  }), true);
  clean(page);
});

add('all of a job is reached by the keyboard', async ({ browser, fleet }) => {
  const job = await doneJob(fleet, 6);
  const page = await browser.page();
  await browser.open(page);
  await row(page, job).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
  await page.keyboard.press('j');
  const focused = () => page.evaluate(() => document.activeElement.closest('tr')?.dataset.key);
  const first = await focused();
  await page.keyboard.press('j');
  assert.notEqual(await focused(), first);
  await page.keyboard.press('k');
  assert.equal(await focused(), first);
  await page.keyboard.press('Enter');
  await page.getByRole('treegrid').locator('[data-task="seal"]').waitFor();
  await page.getByRole('treegrid').focus();
  const selected = () => page.locator('.tree-row.is-selected').getAttribute('data-task');
  await page.keyboard.press('Home');
  assert.equal(await selected(), 'seal');
  await page.keyboard.press('ArrowDown');
  assert.equal(await selected(), 'execute');
  assert.equal(await page.getByRole('treegrid').getAttribute('aria-activedescendant'), 'task-execute');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await selected(), 'seal');
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.locator('[data-task="seal"]').getAttribute('aria-expanded'), 'false');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await until('panel', () => page.evaluate(() => document.activeElement.id), (id) => id === 'task-title');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'treegrid');
  await page.keyboard.press('l');
  await page.getByRole('application', { name: /^Timeline/ }).waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('w');
  await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await browser.shoot(page, 'keys');
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 0);
  clean(page);
});

add('a dead task is requeued by an administrator, and its job ends well', async ({ browser, gateway, fleet }) => {
  const job = await failedJob(fleet);
  const client = await browser.page({ token: gateway.client });
  await browser.open(client, '#/dead');
  const page = await browser.page();
  await browser.open(page, '#/dead');
  const item = page.locator('.dead-item', { hasText: job.slice(-12) });
  await item.getByText('guest panicked at src/main.rs:41: <b>index</b> out of bounds').waitFor();
  await browser.shoot(page, 'dead');
  assert.equal(await client.getByRole('button', { name: 'Requeue' }).count(), 0);
  await item.getByRole('button', { name: 'Requeue' }).click();
  await until('gone', () => item.count(), (count) => count === 0);
  const worker = await fleet.worker('test-again');
  await worker.work();
  await worker.leave();
  await browser.open(page, `#/jobs/${job}`);
  await page.locator('.job-state').getByText('done').waitFor();
  clean(page);
});

add('a failed job says why on top', async ({ browser, fleet }) => {
  const job = await failedJob(fleet);
  const page = await browser.page();
  await browser.open(page, `#/jobs/${job}`);
  const cause = page.getByRole('alert');
  await cause.getByText('guest panicked at src/main.rs:41: <b>index</b> out of bounds').waitFor();
  await cause.getByRole('button', { name: 'prove-2' }).click();
  await page.getByRole('complementary', { name: 'prove-2' }).getByText('Failed for good').waitFor();
  clean(page);
});

add('the receipt is verified in the page and comes as a file', async ({ browser, fleet }) => {
  const job = await doneJob(fleet);
  const page = await browser.page();
  await browser.open(page, `#/jobs/${job}`);
  await page.locator('.verdict').getByText('Verified').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download receipt' }).click()]);
  assert.equal(download.suggestedFilename(), `${job}.receipt`);
  assert.ok((await stat(await download.path())).size > 0);
  clean(page);
});

add('a job is cancelled in two steps', async ({ browser, fleet }) => {
  const job = await fleet.submit();
  const page = await browser.page();
  await browser.open(page, `#/jobs/${job}`);
  await page.getByRole('button', { name: 'Cancel job' }).click();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.getByRole('button', { name: 'Cancel job' }).click();
  await page.getByRole('button', { name: 'Yes, cancel it' }).click();
  await page.locator('.job-state').getByText('cancelled').waitFor();
  assert.equal((await fleet.job(job)).state, 'cancelled');
  clean(page);
});

add('a worker is seen at work, drained and resumed', async ({ browser, fleet }) => {
  const job = await fleet.submit();
  const worker = await fleet.worker('test-drained');
  await worker.claim();
  const page = await browser.page();
  await browser.open(page, '#/workers');
  const card = page.locator('.worker[data-key="test-drained"]');
  await card.getByRole('link', { name: `execute ${job.slice(-6)}` }).waitFor();
  await card.getByRole('button', { name: 'Drain' }).click();
  await card.getByText('draining').waitFor();
  await card.getByRole('button', { name: 'Resume' }).click();
  await card.getByText('active').waitFor();
  clean(page);
});

add('a lost connection is said, and what was missed is there afterwards', async ({ browser, gateway, fleet }) => {
  const job = await fleet.submit();
  const wire = await Wire.to(gateway.url);
  const page = await browser.page({ url: wire.url });
  await page.goto(`${wire.url}/#/jobs/${job}`);
  await page.getByText('Live', { exact: true }).waitFor();
  wire.cut();
  await page.getByRole('button', { name: 'Reconnecting…' }).waitFor();
  const worker = await fleet.worker('test-offline');
  await worker.complete(await worker.execute(4));
  await worker.work();
  await worker.leave();
  wire.mend();
  await page.locator('.job-state').getByText('done').waitFor();
  await page.getByRole('treegrid').locator('[data-task="seal"]').getByText('done').waitFor();
  wire.close();
  clean(page);
});

add('a job of two thousand segments stays in reach', async ({ browser, fleet }) => {
  const job = await fleet.submit();
  const worker = await fleet.worker('test-huge');
  await worker.execute(2000);
  const page = await browser.page();
  await browser.open(page, `#/jobs/${job}`);
  await page.getByText('2,000 segments').waitFor();
  const tree = page.getByRole('treegrid');
  await page.getByRole('button', { name: /^ready 2,000$/ }).click();
  await tree.focus();
  await page.keyboard.press('End');
  await tree.locator('[data-task="prove-1999"]').waitFor();
  assert.ok((await tree.locator('[data-task]').count()) < 80);
  await browser.shoot(page, 'huge');
  await page.keyboard.press('+');
  await page.getByText('segments 500 to 1,499 of 2,000').waitFor();
  clean(page);
});

add('what is not there is said so', async ({ browser }) => {
  const page = await browser.page();
  await browser.open(page, '#/jobs/0199c0de-7c1f-7000-8000-00000000002a');
  await page.getByRole('heading', { name: 'Not found' }).waitFor();
  await browser.open(page, '#/nowhere');
  await page.getByText('There is no such page.').waitFor();
  clean(page);
});
