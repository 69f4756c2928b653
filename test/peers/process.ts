import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Has the kernel end a peer whose test process was killed and could not do it itself (Linux, util-linux). */
const setpriv = '/usr/bin/setpriv';
const leash = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : [];

/** The program's file, found as a shell would. */
function findProgram(command: string): string | undefined {
  return (process.env['PATH'] ?? '').split(path.delimiter).map((folder) => path.join(folder, command)).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const living = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** A foreign program started by a test, its scratch folder and its captured output. */
export interface Peer {
  readonly pid: number;
  /** Scratch folder, removed by `stop`. */
  readonly folder: string;
  /** Exit code, or 128 for a death by signal. */
  readonly exited: Promise<number>;
  readonly running: boolean;
  /** Standard output and error so far. */
  output(): string;
  /** Ends the program (SIGTERM, after a second SIGKILL) and removes its folder. Harmless when repeated. */
  stop(): Promise<void>;
}

/** A new scratch folder under the system's own. */
export function scratchFolder(name: string): string {
  return mkdtempSync(path.join(os.tmpdir(), `tig-${name}-`));
}

/**
 * Starts a program with its output in a file of `folder` (a pipe nobody reads would stop a chatty program).
 * Whatever happens to the test, the program does not outlive this process.
 */
export async function startPeer(command: string, args: readonly string[], folder: string): Promise<Peer> {
  const program = findProgram(command);
  if (program === undefined) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`cannot start ${command}: it is not installed`);
  }
  const [first = program, ...rest] = [...leash, program, ...args];
  const outputFile = path.join(folder, 'output.txt');
  const output = openSync(outputFile, 'w');
  const child = spawn(first, rest, { stdio: ['ignore', output, output], cwd: folder });
  closeSync(output);
  living.add(child);
  let running = true;
  const exited = new Promise<number>((resolve) => {
    child.once('exit', (code) => {
      running = false;
      living.delete(child);
      resolve(code ?? 128);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      living.delete(child);
      running = false;
      rmSync(folder, { recursive: true, force: true });
      reject(new Error(`cannot start ${command}: ${error.message}`));
    });
  });
  let stopping: Promise<void> | undefined;
  return {
    pid: child.pid ?? 0,
    folder,
    exited,
    get running() { return running; },
    output: () => { try { return readFileSync(outputFile, 'utf8'); } catch { return ''; } },
    stop: () => (stopping ??= (async () => {
      const hard = setTimeout(() => child.kill('SIGKILL'), 1_000);
      if (running) child.kill('SIGTERM');
      await exited;
      clearTimeout(hard);
      rmSync(folder, { recursive: true, force: true });
    })()),
  };
}

/** Started things, stopped together in reverse order: `const peers = new Peers(); afterEach(() => peers.stopAll());` */
export class Peers {
  private readonly stops: (() => unknown)[] = [];

  add<T extends { stop(): unknown }>(peer: T): T {
    this.stops.push(() => peer.stop());
    return peer;
  }

  /** Anything else to undo at the end of the test. */
  defer(undo: () => unknown): void {
    this.stops.push(undo);
  }

  async stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let stop = this.stops.pop(); stop; stop = this.stops.pop()) {
      try { await stop(); } catch (error) { failures.push(error); }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'peers did not stop cleanly');
  }
}
