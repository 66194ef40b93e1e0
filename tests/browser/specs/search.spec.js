// Search: from the box in the frame, narrowed by facets, exported, and told where it is wrong.
import { readFile } from 'node:fs/promises';
import { rows } from '../lib/csv.js';
import { api } from '../lib/service.js';
import { expect, test } from '../lib/watched.js';

const asked = (page) => new URL(page.url()).searchParams.get('q');
const totals = async (q) => (await api(`/search?${new URLSearchParams({ q })}`)).totals;

test('from the search box, by facets, to an export', async ({ page }) => {
  await page.goto('/status');
  await page.keyboard.press('/');
  await page.keyboard.type('driver:csagent.sys');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/search\?q=/);
  const main = page.locator('main');
  const all = await totals('driver:csagent.sys');
  await expect(main.locator('.figure', { hasText: 'crashes' })).toContainText(String(all.crashes));

  await main.locator('.facets h3', { hasText: 'Windows build' }).locator('xpath=following-sibling::ul[1]').locator('a.value').first().click();
  await expect.poll(() => asked(page)).toContain('build:');
  const narrowed = asked(page);
  const some = await totals(narrowed);
  expect(some.crashes).toBeGreaterThan(0);
  expect(some.crashes).toBeLessThan(all.crashes);
  await expect(main.locator('.figure', { hasText: 'crashes' })).toContainText(String(some.crashes));

  for (const format of ['CSV', 'JSON']) {
    const [download] = await Promise.all([page.waitForEvent('download'), main.getByRole('link', { name: format, exact: true }).click()]);
    expect(download.suggestedFilename()).toMatch(new RegExp(`\\.${format.toLowerCase()}$`));
    const text = await readFile(await download.path(), 'utf8');
    if (format === 'CSV') {
      const [head, ...body] = rows(text);
      expect(body.length).toBe(some.crashes);
      expect(body.every((row) => row.length === head.length)).toBe(true);
      expect(body.every((row) => row.includes('csagent.sys'))).toBe(true);
    } else {
      expect(JSON.parse(text).crashes.length).toBe(some.crashes);
    }
  }

  // Chosen again, it is taken away again.
  await main.locator('.facets a.value[aria-current]', { hasText: /^\d{5}/ }).first().click();
  await expect.poll(() => asked(page)).not.toContain('build:');
});

test('a wrong query is marked where it is wrong, and what was meant is one click away', async ({ page, watch }) => {
  const wrong = '/search?q=drvier%3Acsagent.sys';
  watch.expectStatus(wrong, 400);
  await page.goto(wrong);
  await expect(page.locator('mark')).toHaveText('drvier');
  await page.getByRole('alert').getByRole('link').click();
  await expect.poll(() => asked(page)).toBe('driver:csagent.sys');
  await expect(page.locator('main table a').first()).toBeVisible();
});

test('keys and values are completed', async ({ page }) => {
  await page.goto('/');
  const box = page.locator('header input[type="search"]');
  const offered = () => page.locator('header datalist option').evaluateAll((options) => options.map(({ value }) => value));
  await box.pressSequentially('drive');
  await expect.poll(offered).toContain('driver:');
  await box.fill('driver:csag');
  await box.dispatchEvent('input');
  await expect.poll(offered).toContain('driver:csagent.sys');
});
