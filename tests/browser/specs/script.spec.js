// Without JavaScript every page can be read, and every link still leads somewhere.
import { pages } from '../lib/service.js';
import { expect, test, visit } from '../lib/watched.js';

test.use({ javaScriptEnabled: false });

for (const [name, { path, status }] of Object.entries(pages)) {
  test(`${name} is read without JavaScript`, async ({ page, watch }) => {
    await visit(page, watch, await path(), status);
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
    await expect(page.locator('main')).toContainText(/\w{3}/);
    await page.locator('header').getByRole('link', { name: 'Fleet', exact: true }).click();
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Fleet');
  });
}
