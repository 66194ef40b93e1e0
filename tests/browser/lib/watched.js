// The `test` of every spec: it watches each page of its browser, and fails when a page logs an error, asks for something
// that fails or is not ours, breaks the Content-Security-Policy, or opens a dialog. Owns what counts as a fault.
import { test as base, expect } from '@playwright/test';
import { url } from './service.js';

export { expect };

const ours = new URL(url('/')).origin;

/** Statuses of pages that are asked for on purpose although they fail, by path. */
class Watch {
  faults = [];
  #expected = new Map();

  expectStatus(path, status) {
    this.#expected.set(new URL(path, ours).href, status);
  }

  /** Whether an address may answer like this. */
  #meant(address, status) {
    return this.#expected.get(address) === status;
  }

  over(context) {
    const note = (...words) => this.faults.push(words.join(' '));
    context.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      const at = message.location().url;
      // Chromium logs a page that is not there as an error of its own.
      if (this.#expected.has(at) && message.text().startsWith('Failed to load resource')) return;
      note(`console ${message.type()}:`, message.text(), at);
    });
    context.on('weberror', (error) => note('uncaught:', String(error.error())));
    context.on('dialog', async (dialog) => {
      note('dialog:', dialog.type(), dialog.message());
      await dialog.dismiss();
    });
    context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== ours && protocol !== 'data:') note('asked somebody else:', request.url());
    });
    context.on('response', (response) => {
      if (response.status() >= 400 && !this.#meant(response.url(), response.status())) note(response.status(), response.url());
    });
    context.on('requestfailed', (request) => {
      const why = request.failure()?.errorText;
      // What was under way when the page was left, a stream of events above all; and a download is no page.
      if (why === 'net::ERR_ABORTED') return;
      note('failed:', why, request.url());
    });
  }
}

export const test = base.extend({
  watch: [
    async ({ context }, use) => {
      const watch = new Watch();
      watch.over(context);
      await use(watch);
      expect(watch.faults, 'what the browser had to complain about').toEqual([]);
    },
    { auto: true },
  ],
});

/** What is wider than the window, as words; nothing may be, on any page. Tables and code scroll in boxes of their own. */
export function stickingOut(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const boxed = (element) => {
      for (let box = element.parentElement; box; box = box.parentElement) {
        if (getComputedStyle(box).overflowX !== 'visible') return true;
      }
      return false;
    };
    const wide = [...document.body.querySelectorAll('*')].filter(
      (element) => element.getBoundingClientRect().right > width + 1 && !boxed(element),
    );
    const named = wide.map((element) => `${element.tagName}.${element.getAttribute('class')}: ${element.textContent.slice(0, 60)}`);
    return [`${document.documentElement.scrollWidth} px of ${width}`, ...named.slice(0, 5)];
  });
}

/** Goes to a page that is expected to be there, or to fail just so. */
export async function visit(page, watch, path, status = 200) {
  if (status !== 200) watch.expectStatus(path, status);
  const response = await page.goto(path, { waitUntil: 'load' });
  expect(response.status(), path).toBe(status);
  return response;
}
