// Without a mouse: the skip link comes first, every stop is seen, and the main actions are reached.
import { incident } from '../lib/service.js';
import { expect, test } from '../lib/watched.js';

/** What has the focus, and whether one sees that it has. */
const focus = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const { width, height } = element.getBoundingClientRect();
    return {
      tag: element.tagName,
      text: (element.textContent || element.getAttribute('aria-label') || element.name || '').trim(),
      href: element.getAttribute('href'),
      place: [...document.querySelectorAll('*')].indexOf(element),
      seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 && width > 1 && height > 1,
    };
  });

/** Every stop of the tab key, until the page is left. */
async function stops(page) {
  const found = [];
  for (let presses = 0; presses < 400; presses += 1) {
    await page.keyboard.press('Tab');
    const stop = await focus(page);
    if (stop.tag === 'BODY') break;
    found.push(stop);
  }
  return found;
}

test('the skip link comes first and leads into the page', async ({ page }) => {
  await page.goto('/');
  await page.keyboard.press('Tab');
  const skip = await focus(page);
  expect(skip.href).toMatch(/^#/);
  expect(skip.seen).toBe(true);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.querySelector('main').contains(document.activeElement))).toBe(true);
});

for (const [name, path, reached] of [
  ['fleet', async () => '/', /csagent\.sys/],
  ['incident', async () => `/incidents/${(await incident()).incident_id}`, /acknowledge/i],
]) {
  test(`every stop on the page ${name} is seen, in the order of the page`, async ({ page }) => {
    await page.goto(await path());
    const all = await stops(page);
    expect(all.filter((stop) => !stop.seen), 'focused, but one does not see it').toEqual([]);
    const places = all.map((stop) => stop.place);
    expect(places, 'the order of the tab key').toEqual([...places].sort((a, b) => a - b));
    expect(all.map((stop) => stop.text).join('\n'), 'its main action is reached').toMatch(reached);
  });
}
