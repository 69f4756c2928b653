/** The gateway as a person starts it: the launcher, the gateway below it, the engines below that. */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort, freePorts, until } from '../peers/index.js';
import { demoPasswordHash } from '../support/password.js';

export const root = path.resolve(import.meta.dirname, '../..');

export interface Run {
  /** Process id of the launcher. */
  readonly pid: number;
  /** Exit code, or the name of the signal. */
  readonly exited: Promise<number | string>;
  out(): string;
  err(): string;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Runs `node <program> ...args` at the root of the project. */
export function run(program: string, args: readonly string[], env: Record<string, string | undefined> = {}): Run {
  const child = spawn(process.execPath, [program, ...args], { cwd: root, env: { ...process.env, NODE_ENV: undefined, GATEWAY_CONFIG: undefined, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  // "close" would wait for whoever inherited the pipes.
  const exited = new Promise<number | string>((resolve) => child.once('exit', (code, signal) => setTimeout(() => resolve(code ?? signal ?? 'gone'), 50)));
  return {
    pid: child.pid!,
    exited,
    out: () => out,
    err: () => err,
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        // A launcher that is killed takes the rest with it; that is tested elsewhere, here it must not be relied on.
        const below = descendants(child.pid!);
        child.kill('SIGKILL');
        for (const pid of below) kill(pid, 'SIGKILL');
      }
      await exited;
    },
  };
}

/** `npm start -- ...args` without npm. */
export const start = (args: readonly string[], env?: Record<string, string | undefined>): Run => run('gateway/launch/start.mjs', args, env);

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

export function alive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  // A zombie has ended; only its parent has not looked yet.
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

export function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function descendants(pid: number): number[] {
  return children(pid).flatMap((child) => [child, ...descendants(child)]);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** The processes below a launcher, by what they are. */
export function family(launcher: number): { gateway: number; engines: number; all: number[] } {
  const all = descendants(launcher);
  const find = (what: RegExp) => all.find((pid) => what.test(commandLine(pid))) ?? 0;
  return { gateway: find(/dist\/gateway\/main\.js/), engines: find(/engines\/process\.js/), all };
}

export interface Ports {
  public: number;
  core: number;
  agents: number;
  ops: number;
  sip: number;
  phone: number;
}

export async function somePorts(): Promise<Ports> {
  return { public: await freePort(), core: await freePort(), agents: await freePort(), ops: await freePort(), sip: await freePort(), phone: await freePort() };
}

/** A configuration that holds, as an object of the file's shape; nothing of the demo unless asked. */
export async function configuration(ports: Ports, { demo = false } = {}): Promise<Record<string, unknown>> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rtp = await freePorts(40);
  return {
    ...(demo ? { demo } : {}),
    listeners: { public: { port: ports.public }, core: { port: ports.core }, agents: { port: ports.agents }, ops: { port: ports.ops } },
    sip: { listen: { host: '127.0.0.1', port: ports.sip } },
    media: { host: '127.0.0.1', rtpPorts: { min: rtp, max: rtp + 39 } },
    trunks: [{ name: 'loopback', addresses: ['127.0.0.0/8'] }],
    services: [{ name: 'Burgerzaken', numbers: ['*'], purposes: ['report_move'], language: 'nl' }],
    agents: [{ name: 'anna', displayName: 'Anna', password: demoPasswordHash, phone: `sip:anna@127.0.0.1:${ports.phone}` }],
    idContact: {
      phoneNumber: '+31 20 123 4567',
      ...(demo
        ? {}
        : {
            decryptionKey: { type: 'EC', key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
            verificationKeys: [{ name: 'test', type: 'EC', key: key.publicKey.export({ type: 'spki', format: 'pem' }) }],
          }),
    },
    ...(demo ? {} : { codes: { hashKey: 'only for tests: this key hashes nothing real' } }),
  };
}

/** A folder of its own for configuration files. JSON is YAML. */
export class ConfigFolder {
  readonly path = mkdtempSync(path.join(os.tmpdir(), 'tig-process-'));

  write(name: string, content: object | string): string {
    const file = path.join(this.path, name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, undefined, 2));
    return file;
  }

  stop(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Waits until the gateway says that it takes calls. @returns how long it took, in ms */
export async function untilReady(ports: Ports, process: Run, timeoutMs = 30_000): Promise<number> {
  const startedAt = performance.now();
  let ended: number | string | undefined;
  void process.exited.then((how) => (ended = how));
  await until(async () => {
    if (ended !== undefined) throw new Error(`it ended (${ended}): ${process.err()}`);
    const answer = await fetch(`http://127.0.0.1:${ports.ops}/health`).catch(() => undefined);
    return answer?.status === 200 && ((await answer.json()) as { status: string }).status === 'ready';
  }, 'the gateway to be ready', timeoutMs, 25);
  return performance.now() - startedAt;
}
