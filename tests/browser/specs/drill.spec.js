// The outage begins while somebody looks at the Fleet page: it shows the incident by itself.
import { drill } from '../lib/service.js';
import { test, expect } from '../lib/watched.js';

test('the fleet page shows the incident by itself', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.evaluate(() => (window.neverLoadedAgain = true));
  const over = drill('--machines', '300', '--background', '4', '--outage', '8');
  const incident = page.locator('#incidents').getByRole('link', { name: /csagent\.sys/ });
  await Promise.race([expect(incident).toBeVisible({ timeout: 60_000 }), over.then(() => expect(incident).toBeVisible())]);
  expect(await page.evaluate(() => window.neverLoadedAgain), 'it was not loaded again').toBe(true);
  console.log(await over);
});
