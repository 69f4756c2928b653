/** A gateway as it runs in production: its own main program with a configuration file, in processes of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ownPromptsPath } from '../../gateway/app.js';
import { freePort } from '../peers/ports.js';
import { demoPasswordHash } from '../support/password.js';
import type { Gateway } from './load/protocol.js';
import type { MemoryReading } from './memory-probe.js';
import { childrenOf, cpuMs, listenerOn } from './process-usage.js';

const env = process.env;
/** Other engines than the embedded ones, by the same variables as the tests. */
export const externalEngines = env['DRACHTIO_ADMIN'] !== undefined && env['FREESWITCH_ESL'] !== undefined;

const dist = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const readyWithinMs = 30_000;
const number = '+31201234567';
/** Between the ports that tests and bench probe and those that the system hands out by itself. */
const rtpPorts = { min: 31_002, max: 32_767 };

export interface GatewayProcessOptions {
  /** Where the agents' phones are. */
  agentsSip: string;
  agents: number;
  /** Log level; `info` as in production. */
  logLevel?: 'info' | 'debug';
  /** File for the log. */
  logFile?: string;
  /** Load the memory probe. */
  probe?: boolean;
  /** Folder for CPU profiles of both processes. */
  profileFolder?: string | undefined;
  /** Start as `npm start` does. */
  asNpmStart?: boolean;
}

function hostPort(text: string): { host: string; port: number } {
  const [host, port] = text.split(':');
  return { host: host!, port: Number(port) };
}

export class GatewayProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly gateway: Gateway,
    readonly opsUrl: string,
    /** From the start of the process until it takes calls. */
    readonly readyMs: number,
    /** CPU time its processes took until then, in ms; undefined when not known. Unlike readyMs it hardly depends on who else is busy. */
    readonly readyCpuMs: number | undefined,
    /** Ids of the processes; undefined when not known. */
    readonly pids: { gateway: number; sip: number | undefined; media: number | undefined },
  ) {}

  static async start(options: GatewayProcessOptions): Promise<GatewayProcess> {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'gateway-bench-'));
    const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const plugin = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const secret = { type: 'pkcs8', format: 'pem' } as const;
    const open = { type: 'spki', format: 'pem' } as const;
    const [core, agents, ops, pages, sip] = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort()];
    const config = {
      log: { level: options.logLevel ?? 'info' },
      listeners: { public: { port: pages }, core: { port: core }, agents: { port: agents }, ops: { port: ops } },
      sip: externalEngines ? { servers: [{ ...hostPort(env['DRACHTIO_ADMIN']!), secret: env['DRACHTIO_SECRET'] ?? 'cymru' }] } : { listen: { port: sip } },
      media: externalEngines
        ? { promptsPath: ownPromptsPath, servers: [{ ...hostPort(env['FREESWITCH_ESL']!), secret: env['FREESWITCH_SECRET'] ?? 'ClueCon', profile: env['FREESWITCH_PROFILE'] ?? 'drachtio_mrf', listenAddress: '127.0.0.1' }] }
        : { rtpPorts },
      trunks: [{ name: 'bench', addresses: ['127.0.0.0/8'], bridge: 'anchored' }],
      services: [{ name: 'Burgerzaken', numbers: [number], purposes: ['report_move'], language: 'nl' }],
      agents: Array.from({ length: options.agents }, (_, i) => ({ name: `agent${i}`, displayName: `Agent ${i}`, password: demoPasswordHash, phone: `sip:agent${i}@${options.agentsSip}` })),
      idContact: {
        phoneNumber: number,
        decryptionKey: { type: 'EC', key: ours.privateKey.export(secret) },
        verificationKeys: [{ name: 'bench', type: 'EC', key: plugin.publicKey.export(open) }],
      },
      codes: { hashKey: 'only for the bench: this key hashes nothing real' },
      calls: { maxCalls: 2_000 },
    };
    const file = path.join(folder, 'gateway.yaml');
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    const nodeArgs = [
      ...(options.probe ? ['--expose-gc', '--import', path.join(dist, 'test/bench/memory-probe.js')] : []),
      ...(options.profileFolder === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', options.profileFolder]),
    ];
    const program = options.asNpmStart ? [path.join(dist, '../gateway/launch/start.mjs')] : ['--enable-source-maps', ...nodeArgs, path.join(dist, 'gateway/main.js')];
    if (options.logFile !== undefined) mkdirSync(path.dirname(options.logFile), { recursive: true });
    const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a');
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...program, '--config', file], {
      stdio: ['ignore', log ?? 'ignore', 'pipe'],
      env: { ...env, NODE_ENV: 'production', ...(options.probe ? { BENCH_PROBE_DIR: folder } : {}) },
    });
    if (log !== undefined) closeSync(log);
    try {
      const readyMs = await untilUp(child, startedAt);
      const main = options.asNpmStart ? (childrenOf(child.pid!)[0] ?? child.pid!) : child.pid!;
      const engines = childrenOf(main)[0];
      const pids = externalEngines
        ? { gateway: main, sip: listenerOn(hostPort(env['DRACHTIO_ADMIN']!).port), media: listenerOn(hostPort(env['FREESWITCH_ESL']!).port) }
        : { gateway: main, sip: engines, media: engines };
      const used = [child.pid!, main, ...(externalEngines ? [] : [engines])].filter((pid, i, all) => all.indexOf(pid) === i).map((pid) => cpuMs(pid));
      const readyCpuMs = used.every((ms) => ms !== undefined) ? used.reduce<number>((sum, ms) => sum + ms, 0) : undefined;
      const gateway: Gateway = {
        sip: externalEngines ? (env['DRACHTIO_SIP'] ?? '127.0.0.1:5060') : `127.0.0.1:${sip}`,
        number,
        coreUrl: `http://127.0.0.1:${core}`,
        agentsUrl: `http://127.0.0.1:${agents}`,
        encryptionKey: ours.publicKey.export(open).toString(),
        signingKey: plugin.privateKey.export(secret).toString(),
      };
      return new GatewayProcess(child, folder, gateway, `http://127.0.0.1:${ops}`, readyMs, readyCpuMs, pids);
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Value of a metric, 0 when it is not there. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.opsUrl}/metrics`)).text();
    return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ').at(-1) ?? 0);
  }

  async health(): Promise<{ status: string; calls: number }> {
    return (await (await fetch(`${this.opsUrl}/health`)).json()) as { status: string; calls: number };
  }

  /** Memory of one of the processes after collection; undefined for a process without the probe. */
  memory(pid: number | undefined): Promise<MemoryReading | undefined> {
    if (pid === undefined) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      let text = '';
      const socket = connect(path.join(this.folder, `${pid}.sock`));
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => (text += chunk));
      socket.on('error', () => resolve(undefined));
      socket.on('end', () => resolve(JSON.parse(text) as MemoryReading));
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
      // Twice: conversations that a failed run left behind must not hold us up.
      this.child.kill('SIGTERM');
      const again = setTimeout(() => this.child.kill('SIGTERM'), 1_500);
      const timer = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
      await gone;
      clearTimeout(again);
      clearTimeout(timer);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @returns ms from `startedAt` until the gateway said that it is up */
function untilUp(child: ChildProcess, startedAt: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    const timer = setTimeout(() => reject(new Error(`the gateway was not up within ${readyWithinMs} ms: ${said}`)), readyWithinMs);
    child.stderr!.setEncoding('utf8');
    child.stderr!.on('data', (chunk: string) => {
      if (said.length < 10_000) said += chunk;
      if (!said.includes('The gateway is up')) return;
      clearTimeout(timer);
      resolve(performance.now() - startedAt);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the gateway ended with ${code}: ${said}`));
    });
  });
}
