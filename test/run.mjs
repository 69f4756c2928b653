// `npm test`: sets up what is missing, says which suites are left out and why, runs the rest.
//   --engines   only the suites that can be pointed at other SIP and media servers (conformance and end to end)
//   other words go to vitest (`npm test -- test/config`)
// In CI (CI=true) a missing peer is a failure.
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { root, setUp } from '../gateway/launch/setup.mjs';

/** Debian packages the suites need: the program that shows it is there (or another one that serves), the package, the suites without it. */
const peers = [
  // Its keys and tones leave by raw sockets.
  { program: 'sipp', package: 'sip-tester', suites: ['test/peers', 'test/e2e', 'test/phone', 'test/process'], root: true },
  { program: 'baresip', package: 'baresip', suites: ['test/peers', 'test/e2e', 'test/phone'] },
  { program: 'redis-server', package: 'redis-server', suites: ['test/peers', 'test/sign-in', 'test/core-bridge', 'test/desk', 'test/nodes', 'test/supervisor', 'test/e2e'] },
  { program: 'chromium-headless-shell', or: 'chromium', package: 'chromium-headless-shell', suites: ['test/screen', 'test/sign-in', 'test/supervisor', 'test/e2e', 'test/core-bridge/demo', 'test/peers'] },
  { program: 'sox', package: 'sox', suites: ['test/ivr', 'test/peers'] },
  { program: 'espeak-ng', package: 'espeak-ng', suites: ['test/ivr'] },
  // The rules are tried between network namespaces of the test's own.
  { program: 'nft', package: 'nftables', suites: ['test/docker/firewall'], root: true },
  { program: 'ip', package: 'iproute2', suites: ['test/docker/firewall'], root: true },
];
const isRoot = process.getuid?.() === 0;

const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
const ci = Boolean(process.env.CI);

setUp();

const lacks = ({ program, or }) => !has(program) && !(or && has(or));

let missing = peers.filter(({ program }) => !has(program));
if (missing.length > 0 && isRoot && has('apt-get')) {
  const quiet = { stdio: ['ignore', 'ignore', 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const install = (packages) => spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], quiet);
  const packages = missing.map((peer) => peer.package);
  console.error(`Installing for the tests: ${packages.join(' ')} ...`);
  spawnSync('apt-get', ['update', '-qq'], quiet);
  install(packages);
  // One that this release does not have keeps all of them from being installed.
  for (const peer of missing.filter(lacks)) if (install([peer.package]).status !== 0 && peer.or) install([peer.or]);
}
missing = missing.filter(lacks);
const powerless = peers.filter((peer) => peer.root && !isRoot && !missing.includes(peer));
const leftOut = new Set([...missing, ...powerless].flatMap(({ suites }) => suites));
if (powerless.length > 0) {
  console.error(`${powerless.map(({ program }) => program).join(', ')} can only be used as root (raw sockets, network namespaces). Left out: ${[...new Set(powerless.flatMap(({ suites }) => suites))].join(', ')}.`);
  if (ci) {
    console.error('In CI every suite must run.');
    process.exit(1);
  }
}
if (missing.length > 0) {
  console.error(`Not on this machine: ${missing.map(({ program }) => program).join(', ')}.`);
  console.error(`Install with: sudo apt-get install ${missing.map((peer) => peer.package).join(' ')}`);
  if (ci) {
    console.error('In CI every suite must run.');
    process.exit(1);
  }
  console.error(`Left out for now: ${[...leftOut].join(', ')}.`);
}

const args = process.argv.slice(2);
const engines = args.includes('--engines');
const words = args.filter((word) => word !== '--engines');
const filters = engines ? ['test/engines', 'test/e2e', 'test/attack', ...words] : words;

const env = { ...process.env, TEST_LEAVE_OUT: [...leftOut].join(','), TEST_AS_BUILT: '1' };

/** Runs a program of ours beside others; what it prints stands together. @returns its exit code */
function run(what, program, programArgs) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join(root, program), ...programArgs], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(chunk));
    child.on('close', (code) => {
      console.error(`\n== ${what}`);
      process.stderr.write(Buffer.concat(printed));
      resolve(code ?? 1);
    });
  });
}

if (filters.length === 0) {
  const codes = await Promise.all([
    run('types', 'node_modules/typescript/bin/tsc', ['--noEmit']),
    run('lint', 'node_modules/eslint/bin/eslint.js', ['.', '--max-warnings=0']),
  ]);
  const failed = codes.find((code) => code !== 0);
  if (failed !== undefined) process.exit(failed);
}
console.error('\n== tests');
const tests = spawnSync(process.execPath, [path.join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/vitest.config.ts', ...filters], { cwd: root, stdio: 'inherit', env });
process.exit(tests.status ?? 1);
