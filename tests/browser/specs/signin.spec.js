// A service that wants to know who looks: tests/browser.rs has given it one token, an admin's.
import { unfair } from '../lib/axe.js';
import { artefacts, url } from '../lib/service.js';
import { expect, stickingOut, test } from '../lib/watched.js';

const TOKEN = 'correct-horse-battery-staple-admin';

async function signIn(page, token) {
  await page.getByLabel(/name/i).fill('Ada <b>');
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('sign in, be named, be written down, sign out', async ({ page, context, watch }) => {
  await page.goto('/status');
  await expect(page).toHaveURL(/\/login/);
  await page.screenshot({ path: `${artefacts}/login-light.png` });
  expect(await unfair(page)).toEqual([]);
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await stickingOut(page)).toEqual([]);

  watch.expectStatus('/login', 401);
  await signIn(page, 'a-guess');
  await expect(page.getByRole('alert')).toContainText('no such token');
  await expect(page.getByLabel('Token')).toHaveValue('');

  await signIn(page, TOKEN);
  await expect(page).toHaveURL(url('/status'));
  await expect(page.locator('header')).toContainText('Ada <b>');
  const [session] = (await context.cookies()).filter(({ httpOnly }) => httpOnly);
  expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax' });

  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto('/audit');
  await expect(page.locator('tbody tr')).toHaveCount(2);
  await expect(page.locator('tbody')).toContainText('Ada <b>');
  expect(await unfair(page)).toEqual([]);
  expect(await stickingOut(page)).toEqual([]);
  await page.screenshot({ path: `${artefacts}/audit-light.png` });

  await page.getByRole('button', { name: /sign out/i }).click();
  await page.goto('/');
  await expect(page).toHaveURL(/\/login/);
});
