// The pictures of the README: the eight pages after a drill, in light, small. scripts/screenshots runs it.
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { small } from '../lib/png.js';
import { pages } from '../lib/service.js';
import { expect, test, visit } from '../lib/watched.js';

const folder = fileURLToPath(new URL('../../../docs/pages', import.meta.url));
const EIGHT = ['fleet', 'incident', 'driver', 'bucket', 'crash', 'machine', 'search', 'status'];
/** Further down nobody looks in a README. */
const TALLEST = 1400;
const LARGEST = 120_000;

test.use({ colorScheme: 'light', viewport: { width: 1280, height: 800 } });

for (const name of EIGHT) {
  test(name, async ({ page, watch }) => {
    await visit(page, watch, await pages[name].path());
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    const clip = { x: 0, y: 0, width: 1280, height: Math.min(height, TALLEST) };
    const picture = small(await page.screenshot({ fullPage: true, clip }));
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/${name}.png`, picture);
    console.log(`docs/pages/${name}.png: ${Math.round(picture.length / 1000)} kB`);
    expect(picture.length).toBeLessThanOrEqual(LARGEST);
  });
}
