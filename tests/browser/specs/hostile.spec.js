// Names that mean harm, on every page, in every answer of the API and in every export: no dialog, no script, nothing
// that is loaded, nothing that sticks out. tests/browser/hostile.rs has filled the service with them.
import { rows } from '../lib/csv.js';
import { artefacts, kind } from '../lib/service.js';
import { expect, stickingOut, test } from '../lib/watched.js';

/** So many pages of a kind: as many as there are names, and fewer where names only stand in lists. */
const MOST = { '/buckets/:id': 6, '/search': 4, '/audit': 2, '/incidents': 2 };
const MOST_OF_OTHERS = 18;

/** Elements and attributes that only somebody else can have brought in. */
const foreign = (page) =>
  page.evaluate(() => {
    const ours = location.origin;
    const found = [];
    for (const element of document.querySelectorAll('*')) {
      const tag = element.tagName.toLowerCase();
      if (['img', 'iframe', 'object', 'embed', 'base', 'marquee'].includes(tag)) found.push(`<${tag}>`);
      if (tag === 'script' && (!element.src.startsWith(ours) || element.textContent.trim())) found.push(element.outerHTML.slice(0, 200));
      for (const { name, value } of element.attributes) {
        if (name.startsWith('on') || (name === 'style' && !element.closest('.uplot'))) found.push(`${name} of <${tag}>`);
        if (['href', 'src', 'action'].includes(name) && new URL(value, location.href).origin !== ours) found.push(`${name}="${value}"`);
      }
    }
    return found;
  });


test('nothing happens on any page, however it is called', async ({ page, watch }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const queue = ['/', '/?range=7d', '/search?q=', '/incidents', '/symbols', '/targets', '/status', '/audit'];
  const seen = new Set(queue);
  const visited = new Map();
  let text = '';
  for (let path = queue.shift(); path; path = queue.shift()) {
    const of = kind(path);
    const count = visited.get(of) ?? 0;
    if (count >= (MOST[of] ?? MOST_OF_OTHERS)) continue;
    visited.set(of, count + 1);
    const response = await page.goto(path);
    expect(response.status(), path).toBe(200);
    const at = `on ${path}`;
    expect.soft(await stickingOut(page), `sticks out ${at}, on a phone`).toEqual([]);
    expect(await foreign(page), at).toEqual([]);
    if (count === 0) {
      await page.setViewportSize({ width: 1280, height: 800 });
      expect.soft(await stickingOut(page), `sticks out ${at}`).toEqual([]);
      await page.screenshot({ path: `${artefacts}/hostile${of.replaceAll(/\W+/g, '-')}.png`, fullPage: true });
      await page.setViewportSize({ width: 390, height: 844 });
    }
    text += await page.locator('body').textContent();
    for (const link of await page.locator('a[href]').evaluateAll((links) => links.map((link) => link.href))) {
      const { pathname, search } = new URL(link);
      const next = pathname + search;
      if (pathname.startsWith('/api/') || pathname.endsWith('/dump') || seen.has(next)) continue;
      seen.add(next);
      queue.push(next);
    }
  }
  console.log([...visited].map(([of, count]) => `${of}: ${count}`).join(', '));
  for (const name of ['"><img src=x onerror=alert(1)>.sys', '<script>alert(1)</script>', '\\u{202e}', '=cmd|', 'WWWWWWWW']) {
    expect(text, 'it is shown, so that this looked at something').toContain(name);
  }
  for (const of of ['/drivers/:id', '/buckets/:id', '/crashes/:id', '/machines/:id', '/incidents/:id']) expect([...visited.keys()]).toContain(of);
  expect(watch.faults).toEqual([]);
});

test('every answer of the API is JSON that browsers leave alone', async ({ page, request, watch }) => {
  // Beside an answer that is no page Chromium looks for an icon of its own accord.
  watch.expectStatus('/favicon.ico', 404);
  const get = async (path) => {
    const response = await request.get(path);
    expect(response.status(), path).toBe(200);
    expect(response.headers()['content-type'], path).toMatch(/^application\/json/);
    expect(response.headers()['x-content-type-options'], path).toBe('nosniff');
    expect(response.headers()['content-security-policy'], path).toContain("default-src 'none'");
    return response.json();
  };
  const { drivers } = await get('/api/v1/fleet?range=24h');
  const { crashes } = await get('/api/v1/search');
  const { incidents } = await get('/api/v1/incidents');
  const named = drivers.map(({ driver }) => driver).filter((driver) => driver && !/^\.{1,2}$/.test(driver));
  expect(named).toContain('"><img src=x onerror=alert(1)>.sys');
  const paths = [
    ...named.map((driver) => `/api/v1/drivers/${encodeURIComponent(driver)}`),
    ...crashes.slice(0, 20).map(({ crash_id }) => `/api/v1/crashes/${crash_id}`),
    ...crashes.map(({ machine, tenant }) => `/api/v1/machines/${encodeURIComponent(machine)}?tenant=${encodeURIComponent(tenant)}`),
    ...incidents.map(({ incident_id }) => `/api/v1/incidents/${incident_id}`),
    '/api/v1/status',
    '/api/v1/targets',
    '/api/v1/machines?suspect=true',
    '/api/v1/symbols/missing',
  ].filter((path) => !/\/\.{1,2}(\?|$)/.test(path));
  for (const path of new Set(paths)) await get(path);
  // Somebody may open one as a page.
  for (const path of ['/api/v1/fleet', '/api/v1/search', '/api/v1/incidents']) {
    await page.goto(path);
    expect(await page.evaluate(() => document.querySelectorAll('script, img').length), path).toBe(0);
  }
});

test('exports are files, and a spreadsheet runs nothing of them', async ({ request }) => {
  const get = async (format) => {
    const response = await request.get(`/api/v1/search/export?format=${format}`);
    expect(response.status()).toBe(200);
    expect(response.headers()['content-disposition']).toMatch(/^attachment; filename="?[\w.-]+"?$/);
    expect(response.headers()['x-content-type-options']).toBe('nosniff');
    return response.text();
  };
  const [head, ...body] = rows(await get('csv'));
  expect(body.length).toBeGreaterThan(60);
  for (const row of body) {
    expect(row.length).toBe(head.length);
    for (const cell of row) expect(cell, 'a formula').not.toMatch(/^[=+@\t\r-]/);
  }
  expect(body.flat()).toContain('"><img src=x onerror=alert(1)>.sys');
  expect(body.flat().some((cell) => cell.startsWith("'=cmd|"))).toBe(true);
  const { crashes } = JSON.parse(await get('json'));
  expect(crashes.length).toBe(body.length);
});
