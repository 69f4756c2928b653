// What every command does before its own work: install the packages when they are missing or older than the
// lockfile, and compile when a source is newer than the last build. Plain JavaScript without dependencies, because
// it runs on a clone that has neither node_modules nor dist.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, mkdirSync, writeFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const rooms = ['config', 'core-bridge', 'ivr', 'gateway', 'test'];

function run(command, args, what) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error || done.status !== 0) {
    console.error(`${what} failed: \`${command} ${args.join(' ')}\` ended with ${done.error?.message ?? `status ${done.status}`}.`);
    process.exit(1);
  }
}

/** The newest modification time, in ms, of the files below a folder. */
function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(full) : statSync(full).mtimeMs);
  }
  return latest;
}

function mtime(file) {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

/** Holds a lock folder while two commands started together would otherwise install or build at the same time. */
function exclusively(work) {
  const lock = path.join(root, '.setup.lock');
  const giveUpAt = Date.now() + 300_000;
  for (;;) {
    try {
      mkdirSync(lock);
      writeFileSync(path.join(lock, 'pid'), String(process.pid));
      break;
    } catch {
      const pid = Number(existsSync(path.join(lock, 'pid')) ? readFileSync(path.join(lock, 'pid'), 'utf8') : 0);
      let alive = true;
      try { if (pid) process.kill(pid, 0); } catch { alive = false; }
      if (!alive) rmSync(lock, { recursive: true, force: true });
      else if (Date.now() > giveUpAt) {
        console.error(`Another command has been setting up for five minutes. If none is running, remove ${lock}.`);
        process.exit(1);
      } else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    return work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function installNeeded() {
  return mtime(path.join(root, 'node_modules/.package-lock.json')) < mtime(path.join(root, 'package-lock.json'));
}

function buildNeeded() {
  const stamp = mtime(path.join(root, 'dist/.built'));
  if (stamp === 0) return true;
  const sources = [...rooms.map((room) => newest(path.join(root, room))), mtime(path.join(root, 'tsconfig.json')), mtime(path.join(root, 'tsconfig.build.json'))];
  return Math.max(...sources) > stamp;
}

/** Brings node_modules and dist up to date; does nothing, in a few milliseconds, when they are. */
export function setUp() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Node ${process.versions.node} is too old: this project needs Node 20.19 or newer (20, 22 and 24 are tested).`);
    process.exit(1);
  }
  if (!installNeeded() && !buildNeeded()) return;
  exclusively(() => {
    if (installNeeded()) {
      console.error('Installing packages (once) ...');
      // An omitted dev set would leave out the compiler, so it is asked for whatever NODE_ENV says.
      run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], 'Installing');
    }
    if (buildNeeded()) {
      console.error('Building ...');
      run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], 'Compiling');
      run(process.execPath, [path.join(root, 'gateway/launch/copy-assets.mjs')], 'Copying assets');
      writeFileSync(path.join(root, 'dist/.built'), '');
    }
  });
}
