// The service that is looked at: where it is, what its API says, and the drill that is run against it.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Pictures and traces; git ignores it. */
export const artefacts = process.env.BLUESCOPE_ARTEFACTS ?? `${root}target/browser`;

/** Chromium's own sandbox does not work for root. */
export const isRoot = process.getuid?.() === 0;

const base = process.env.BLUESCOPE_URL;
if (!base) throw new Error('BLUESCOPE_URL says where the service is: `cargo test --test browser` and scripts/screenshots set it');

export const url = (path) => new URL(path, base).href;

/** What `/api/v1` says. */
export async function api(path) {
  const response = await fetch(url(`/api/v1${path}`));
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Runs the drill of 19 July 2024; resolves with what it printed, and rejects when it is not content. */
export function drill(...options) {
  const child = spawn(process.env.BLUESCOPE_EXECUTABLE, ['drill', 'crowdstrike', '--url', url('/'), ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', (text) => (printed += text));
  child.stderr.on('data', (text) => (printed += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(printed) : reject(new Error(`the drill ended with ${code}:\n${printed}`))));
  });
}

const first = (list, what) => {
  if (!list.length) throw new Error(`there is no ${what}`);
  return list[0];
};

export const incident = async () => first((await api('/incidents')).incidents, 'incident');
export const crash = async () => first((await api('/search?q=driver%3Acsagent.sys&facets=false')).crashes, 'crash');

/**
 * Every page, by name: where it is, once the drill has run. `status` is what it answers with, where that is not 200;
 * `endless` ones are seen as far as a window shows.
 */
export const pages = {
  fleet: { path: async () => '/' },
  incidents: { path: async () => '/incidents' },
  incident: { path: async () => `/incidents/${(await incident()).incident_id}` },
  driver: { path: async () => '/drivers/csagent.sys' },
  bucket: { path: async () => `/buckets/${encodeURIComponent((await crash()).bucket)}` },
  search: { path: async () => '/search?q=driver%3Acsagent.sys' },
  search_nothing: { path: async () => '/search?q=driver%3Anobody.sys' },
  search_wrong: { path: async () => '/search?q=drvier%3Acsagent.sys', status: 400 },
  crash: { path: async () => `/crashes/${(await crash()).crash_id}` },
  machine: { path: async () => `/machines/${(await crash()).machine}?tenant=` },
  symbols: { path: async () => '/symbols' },
  targets: { path: async () => '/targets' },
  status: { path: async () => '/status' },
  api: { path: async () => '/api', endless: true },
  audit: { path: async () => '/audit' },
  login: { path: async () => '/login' },
  missing: { path: async () => '/no/such/page', status: 404 },
};

/** What kind of page an address leads to: `/crashes/:id` of all crashes' addresses. */
export function kind(address) {
  const [, head, tail] = new URL(address, url('/')).pathname.split('/');
  return tail === undefined ? `/${head}` : `/${head}/:id`;
}
