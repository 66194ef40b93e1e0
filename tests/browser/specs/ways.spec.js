// From the Fleet page to the fault offset in three clicks, and on to a stack.
import { expect, test } from '../lib/watched.js';

test('from the fleet page to the fault offset in three clicks, and to a stack', async ({ page }) => {
  const main = page.locator('main');
  let clicks = 0;
  const click = async (link) => {
    await link.click();
    await page.waitForLoadState('load');
    clicks += 1;
  };
  await page.goto('/');
  await click(main.locator('#incidents').getByRole('link', { name: /csagent\.sys/ }));
  await expect(page).toHaveURL(/\/incidents\//);
  await expect(page.getByRole('heading', { level: 1 })).toContainText('csagent.sys');
  await expect(main).toContainText('e14ed');
  await click(main.locator('a[href^="/crashes/"]').first());
  await expect(page).toHaveURL(/\/crashes\/[0-9a-f-]{36}/);
  await expect(main).toContainText('e14ed');
  expect(clicks).toBeLessThanOrEqual(3);
  await expect(main.getByRole('heading', { name: /stack/i }).first()).toBeVisible();
  await expect(main).toContainText('csagent.sys+0x');
});
