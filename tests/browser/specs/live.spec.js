// What is new appears on an open Fleet page by itself, soon, and moves nothing that is being read.
import { api, drill } from '../lib/service.js';
import { expect, test } from '../lib/watched.js';

const SOON_MS = 5_000;

test('new crashes appear within five seconds, and what is being read stays where it is', async ({ page }) => {
  // Small enough that the page scrolls, so that something is above what is read.
  await page.setViewportSize({ width: 1000, height: 420 });
  await page.goto('/');
  await expect(page.locator('#live')).toHaveText('live');
  const accepted = async () => (await api('/status')).ledger.accepted;
  const shown = async () => Number((await page.locator('#health').innerText()).match(/([\d\s,\u202f]+) accepted/)[1].replace(/\D/g, ''));
  await expect.poll(shown).toBe(await accepted());
  const before = await accepted();

  // Looked up and measured in one go: the page may put another heading in its place at any time.
  const place = (scroll) =>
    page.evaluate((scroll) => {
      const read = [...document.querySelectorAll('h2')].find((heading) => heading.textContent === 'Faulting drivers, by machines');
      if (scroll) window.scrollTo(0, read.getBoundingClientRect().top + window.scrollY - 80);
      return read.getBoundingClientRect().top;
    }, scroll);
  const top = await place(true);
  expect(top, 'it is where it was scrolled to').toBeGreaterThan(0);
  await page.evaluate(() => (window.neverLoadedAgain = true));

  const over = drill('--machines', '0', '--background', '2', '--outage', '1', '--no-inventory');
  await expect.poll(accepted, { intervals: [50], timeout: 30_000 }).toBeGreaterThan(before);
  const arrived = Date.now();
  await expect.poll(shown, { intervals: [50], timeout: 30_000 }).toBeGreaterThan(before);
  const waited = Date.now() - arrived;
  console.log(`a crash was on the open fleet page ${waited} ms after it was accepted (goal ${SOON_MS} ms)`);
  expect(waited).toBeLessThanOrEqual(SOON_MS);
  await over;
  await expect.poll(shown, { timeout: 20_000 }).toBe(await accepted());
  expect(await page.evaluate(() => window.neverLoadedAgain), 'it was not loaded again').toBe(true);
  expect(Math.abs((await place(false)) - top), 'what is read has moved').toBeLessThanOrEqual(2);
});

test('the part with the focus is left alone', async ({ page }) => {
  await page.goto('/');
  await expect(page.locator('#live')).toHaveText('live');
  const link = page.locator('#drivers').getByRole('link').first();
  await link.focus();
  const node = await link.elementHandle();
  await drill('--machines', '0', '--background', '2', '--outage', '1', '--no-inventory');
  await expect(page.locator('#health')).toContainText('accepted');
  expect(await node.evaluate((element) => element.isConnected && element === document.activeElement)).toBe(true);
});
