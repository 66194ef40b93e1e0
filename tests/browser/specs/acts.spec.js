// What people do to an incident, from its page: with forms, so that it works without JavaScript too.
import { api, incident } from '../lib/service.js';
import { expect, test } from '../lib/watched.js';

const WORDS = 'rollback has begun; <b>watching</b>';

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? 'with JavaScript' : 'without JavaScript', () => {
    test.use({ javaScriptEnabled });

    test('acknowledge with a comment, and find it in the time line', async ({ page }) => {
      const { incident_id: id } = await incident();
      const who = javaScriptEnabled ? 'Ada' : 'Grace';
      await page.goto(`/incidents/${id}`);
      const form = page.locator('form', { has: page.getByRole('button', { name: 'Resolve' }) });
      await form.getByLabel('Your name').fill(who);
      await form.getByLabel('Words').fill(WORDS);
      // It can be acknowledged once; a comment always.
      await form.getByRole('button', { name: javaScriptEnabled ? 'Acknowledge' : 'Comment' }).click();
      await expect(page).toHaveURL(new RegExp(`/incidents/${id}`));
      await expect(page.locator('p.note')).toContainText(javaScriptEnabled ? 'acknowledged' : 'comment');
      await expect(async () => {
        await page.goto(`/incidents/${id}`);
        const line = page.locator('main li', { hasText: who });
        await expect(line.filter({ hasText: WORDS })).toHaveCount(1, { timeout: 500 });
      }).toPass({ timeout: 20_000 });
      const standing = async () => {
        const { state, acknowledged_by: by } = await api(`/incidents/${id}`);
        return [state, by];
      };
      await expect.poll(standing).toEqual(['acknowledged', 'Ada']);
      await expect(form.getByLabel('Your name')).toHaveValue(who);
    });
  });
}

test('a ticket is linked, and leads where it says', async ({ page }) => {
  const { incident_id: id } = await incident();
  await page.goto(`/incidents/${id}`);
  const form = page.locator('form', { has: page.getByRole('button', { name: 'Link ticket' }) });
  await form.getByLabel('Your name').fill('Ada');
  await form.getByLabel(/ticket/i).fill('https://tickets.example.org/OPS-4711');
  await form.getByRole('button', { name: 'Link ticket' }).click();
  await expect(async () => {
    await page.goto(`/incidents/${id}`);
    await expect(page.getByRole('link', { name: /OPS-4711/ }).first()).toHaveAttribute('href', 'https://tickets.example.org/OPS-4711', { timeout: 500 });
  }).toPass({ timeout: 20_000 });
});
