// Who looks at what, in which order, and how long at most. tests/browser.rs and scripts/screenshots start it; they give
// the service's address and the executable (lib/service.js).
import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';
import { artefacts, isRoot } from './lib/service.js';

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export default defineConfig({
  testDir: 'specs',
  outputDir: `${artefacts}/traces`,
  // The browsers that Playwright would download are not used: what people have is.
  use: {
    baseURL: process.env.BLUESCOPE_URL,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? chromium.find(existsSync),
      args: isRoot ? ['--no-sandbox'] : [],
    },
    viewport: { width: 1280, height: 800 },
    trace: { mode: 'retain-on-failure', screenshots: false, sources: false },
  },
  // The service under test and its engine want a core for themselves.
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  timeout: 90_000,
  globalTimeout: 540_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  projects: [
    { name: 'drill', testMatch: 'drill.spec.js', timeout: 120_000 },
    { name: 'pages', testMatch: ['looks', 'keyboard', 'script', 'search', 'ways'].map((name) => `${name}.spec.js`), dependencies: ['drill'] },
    // What changes what others see comes after everything that only looks.
    { name: 'changes', testMatch: ['acts.spec.js', 'live.spec.js'], dependencies: ['pages'], fullyParallel: false, workers: 1 },
    // With the machine to itself, as far as that goes.
    { name: 'paint', testMatch: 'paint.spec.js', dependencies: ['changes'], workers: 1 },
    // Some eighty pages in one test: a trace of it would be most of the work.
    { name: 'hostile', testMatch: 'hostile.spec.js', timeout: 300_000, use: { trace: 'off' } },
    { name: 'signin', testMatch: 'signin.spec.js' },
    { name: 'pictures', testMatch: 'pictures.spec.js', dependencies: ['drill'] },
  ],
});
