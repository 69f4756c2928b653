import { existsSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'vitest/config';

const root = path.resolve(import.meta.dirname, '..');

/** A SIP server that is not ours to start gives new calls in turn to every gateway that is connected: one at a time, then. */
const sharedEngines = process.env['DRACHTIO_ADMIN'] !== undefined;

/**
 * `npm test` has just built the product, and tests what it built: what ships, loaded by Node itself, which is several
 * times faster than transforming every source again for every file of tests. `npx vitest` alone takes the sources; so
 * does whoever tests with servers that are not ours, which read the prompts where the sources are.
 */
const asBuilt = process.env['TEST_AS_BUILT'] !== undefined && !sharedEngines;
const productAsBuilt = {
  name: 'product-as-built',
  enforce: 'pre' as const,
  resolveId(source: string, importer?: string) {
    if (!asBuilt || importer === undefined || !source.startsWith('.')) return undefined;
    const inside = path.relative(root, path.resolve(path.dirname(importer), source));
    if (!/^(config|core-bridge|gateway|ivr)\//.test(inside)) return undefined;
    const built = path.join(root, 'dist', inside);
    return existsSync(built) ? built : undefined;
  },
};

/** Suites that load the machine: one after another, by themselves. */
const alone = ['test/engines/**/fuzz.test.ts', 'test/engines/media/leak.test.ts', 'test/bench/**/*.test.ts', 'test/e2e/two-hundred-calls.test.ts', 'test/e2e/five-hundred-calls.test.ts', 'test/e2e/thousand-calls.test.ts', 'test/attack/flood.test.ts'];

/** Suites that measure audio: a few at a time, since they listen more than they work, and beside nothing else. */
const audio = ['test/engines/media/**/*.test.ts', 'test/ivr/on-a-line.test.ts'];

/** Suites with programs that are not ours: sipp, baresip, Chromium, built processes. */
const withPeers = ['test/e2e/**/*.test.ts', 'test/process/**/*.test.ts', 'test/screen/**/*.test.ts', 'test/sign-in/**/*.test.ts', 'test/phone/**/*.test.ts', 'test/peers/**/*.test.ts'];

/** What `npm test` found no peers for (test/run.mjs says so). */
const leftOut = (process.env['TEST_LEAVE_OUT'] ?? '').split(',').filter(Boolean).map((folder) => `${folder}/**`);

const maxWorkers = sharedEngines ? 1 : 5;

const common = {
  // Real peers over real sockets on a machine that may have two cores: patience costs nothing when all is well.
  testTimeout: 60_000,
  hookTimeout: 120_000,
  pool: 'forks' as const,
  server: { deps: { external: [/\/dist\/(config|core-bridge|gateway|ivr)\//] } },
  sequence: { hooks: 'stack' as const },
};

export default defineConfig({
  root,
  test: {
    projects: [
      { plugins: [productAsBuilt], test: { ...common, name: 'alone', include: alone, exclude: leftOut, maxWorkers: 1, fileParallelism: false, sequence: { ...common.sequence, groupOrder: 1 } } },
      { plugins: [productAsBuilt], test: { ...common, name: 'audio', include: audio, exclude: [...alone, ...leftOut], maxWorkers: sharedEngines ? 1 : 3, sequence: { ...common.sequence, groupOrder: 2 } } },
      // Mostly waiting for people's speed of talking and typing: five at a time leave two cores some air.
      { plugins: [productAsBuilt], test: { ...common, name: 'rooms', include: ['test/**/*.test.ts'], exclude: [...alone, ...audio, ...withPeers, ...leftOut], maxWorkers, sequence: { ...common.sequence, groupOrder: 3 } } },
      // A foreign program that stumbles on a busy machine gets a second chance, and the report says so (retry x1).
      { plugins: [productAsBuilt], test: { ...common, name: 'calls', include: withPeers, exclude: [...alone, ...leftOut], maxWorkers, retry: 1, sequence: { ...common.sequence, groupOrder: 3 } } },
    ],
  },
});
