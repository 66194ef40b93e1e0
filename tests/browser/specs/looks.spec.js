// Every page in light, in dark and on a phone: nothing sticks out sideways, axe finds nothing, and a picture is kept.
import { COLOURS, unfair } from '../lib/axe.js';
import { artefacts, kind, pages, url } from '../lib/service.js';
import { expect, stickingOut, test, visit } from '../lib/watched.js';

const desk = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };

for (const [name, { path, status, endless }] of Object.entries(pages)) {
  test(`${name} in light, in dark and on a phone`, async ({ page, watch }) => {
    const look = async (as) => {
      await page.screenshot({ path: `${artefacts}/${name}-${as}.png`, fullPage: !endless });
      expect.soft(await stickingOut(page), `sticks out sideways, ${as}`).toEqual([]);
    };
    await page.emulateMedia({ colorScheme: 'light' });
    await visit(page, watch, await path(), status);
    await look('light');
    expect.soft(await unfair(page), 'what axe finds in light').toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await look('dark');
    // In the dark only the colours are other ones.
    expect.soft(await unfair(page, COLOURS), 'what axe finds in the dark').toEqual([]);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(phone);
    await look('phone');
    await page.setViewportSize(desk);
  });
}

test('dark is dark, and light is light', async ({ page }) => {
  const brightness = () =>
    page.evaluate(() => {
      const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
      return (r + g + b) / 3;
    });
  await page.goto('/');
  await page.emulateMedia({ colorScheme: 'light' });
  expect(await brightness()).toBeGreaterThan(200);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await brightness()).toBeLessThan(60);
});

test('every kind of page that a link leads to is looked at', async ({ page }) => {
  const known = new Set(await Promise.all(Object.values(pages).map(async ({ path }) => kind(await path()))));
  const found = new Map();
  for (const { path, status } of Object.values(pages)) {
    if (status) continue;
    await page.goto(await path());
    for (const link of await page.locator('a[href]').evaluateAll((links) => links.map((link) => link.href))) {
      const { origin, pathname } = new URL(link);
      expect(origin, `${link} leads away`).toBe(new URL(url('/')).origin);
      if (!pathname.startsWith('/api/')) found.set(kind(link), link);
    }
  }
  const forgotten = [...found].filter(([one]) => !known.has(one));
  expect(forgotten, 'lib/service.js does not list these').toEqual([]);
});

test('the watch sees what it watches for', async ({ page, watch }) => {
  await page.goto('/');
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'alert(1)';
    document.body.append(script);
    console.error('seen');
    setTimeout(() => alert(2));
    return fetch('/no/such/page').catch(() => {});
  });
  await expect.poll(() => watch.faults.join('\n')).toMatch(/dialog: alert 2/);
  const faults = watch.faults.splice(0).join('\n');
  for (const what of [/Content Security Policy/, /seen/]) expect(faults).toMatch(what);
});
