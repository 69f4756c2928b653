/** The gateway's side of the embedded engines: start the child, hear when it is ready, start it again when it dies. */
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MediaServerOptions } from './media-server/index.js';
import type { SipServerOptions } from './sip-server/index.js';
import type { EngineLog } from './log.js';

export interface EngineOptions {
  sip: Omit<SipServerOptions, 'log' | 'onStranger'>;
  media: Omit<MediaServerOptions, 'log'>;
}

/** Requests that were kept out, all alike. */
export interface StrangerRequests {
  readonly method: string;
  readonly address: string;
  readonly protocol: string;
  readonly count: number;
}

interface Address {
  host: string;
  port: number;
}

export interface EngineAddresses {
  /** Where phones and trunks call. */
  sip: Address;
  /** Where applications connect to the SIP server. */
  admin: Address;
  /** The media server's event socket. */
  media: Address;
  /** Where the media server takes SIP. */
  mediaSip: Address;
}

export interface EngineStats {
  sip: Record<string, number>;
  media: Record<string, number>;
  memoryBytes: number;
}

export type ToEngines = { type: 'start'; options: EngineOptions } | { type: 'stats'; id: number } | { type: 'dialogs'; id: number } | { type: 'endDialog'; dialog: string } | { type: 'sipFrom'; addresses: readonly string[] } | { type: 'stop' };
export type FromEngines =
  | ({ type: 'ready' } & EngineAddresses)
  | { type: 'failed'; problem: string; code: string | undefined }
  | { type: 'strangers'; requests: StrangerRequests[] }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; fields: object; words: string }
  | { type: 'dialogs'; id: number; ids: string[] }
  | ({ type: 'stats'; id: number } & EngineStats);

/** The engines could not start; `code` is that of the system where there is one, such as EADDRINUSE. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

const readyWithinMs = 15_000;
const restartDelaysMs = [100, 500, 2_000, 5_000];
/** A child that lived this long has its earlier deaths forgiven. */
const healthyAfterMs = 60_000;

export class Engines extends EventEmitter<{ restarted: [addresses: EngineAddresses]; died: []; strangers: [requests: StrangerRequests[]] }> {
  private child: ChildProcess | undefined;
  private stopping = false;
  private deaths = 0;
  private startedAt = 0;
  private restartTimer: NodeJS.Timeout | undefined;
  private nextId = 1;
  private readonly asked = new Map<number, (answer: FromEngines) => void>();

  private constructor(private options: EngineOptions, private readonly log: EngineLog) {
    super();
  }

  /** Starts the child and waits until both engines listen. @throws EngineError */
  static async start(options: EngineOptions, log: EngineLog): Promise<{ engines: Engines; addresses: EngineAddresses }> {
    const engines = new Engines(options, log);
    const addresses = await engines.launch();
    // A restart must come back where trunks and phones look for it.
    engines.options = {
      sip: { ...options.sip, listen: addresses.sip, admin: addresses.admin },
      media: { ...options.media, sipPort: addresses.mediaSip.port, eslPort: addresses.media.port },
    };
    return { engines, addresses };
  }

  /** Process id of the child while it lives. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Counters of both engines, for tests and metrics. Rejects when the child does not answer within 2 s. */
  stats(): Promise<EngineStats> {
    return this.ask('stats');
  }

  /** Ids of the SIP server's dialogs that are up. Rejects when the child does not answer within 2 s. */
  async dialogs(): Promise<string[]> {
    return (await this.ask<{ ids: string[] }>('dialogs')).ids;
  }

  private ask<Answer>(type: 'stats' | 'dialogs'): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      const timer = setTimeout(() => {
        this.asked.delete(id);
        reject(new EngineError('timed_out', 'the engines do not answer'));
      }, 2_000);
      this.asked.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer as Answer);
      });
      this.send({ type, id });
    });
  }

  /** The media server takes SIP from these addresses too, also after it was started again. */
  takeSipFrom(addresses: readonly string[]): void {
    const { media } = this.options;
    this.options = { ...this.options, media: { ...media, sipFrom: [...new Set([...(media.sipFrom ?? []), ...addresses])] } };
    this.send({ type: 'sipFrom', addresses });
  }

  /** Ends a dialog of the SIP server by BYE, if it is up. */
  endDialog(dialog: string): void {
    this.send({ type: 'endDialog', dialog });
  }

  /** Ends the child. Idempotent; resolves when it is gone. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.send({ type: 'stop' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(timer);
  }

  private send(message: ToEngines): void {
    if (this.child?.connected) this.child.send(message, () => undefined);
  }

  private launch(): Promise<EngineAddresses> {
    return new Promise((resolve, reject) => {
      const child = fork(entry(), [], { serialization: 'json', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      this.child = child;
      this.startedAt = Date.now();
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        act();
      };
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        settle(() => reject(new EngineError('timed_out', `the embedded engines were not ready within ${readyWithinMs / 1000} s`)));
      }, readyWithinMs);
      child.on('message', (message: FromEngines) => {
        switch (message.type) {
          case 'ready': return settle(() => resolve({ sip: message.sip, admin: message.admin, media: message.media, mediaSip: message.mediaSip }));
          case 'failed': return settle(() => reject(new EngineError(message.code ?? 'failed', message.problem)));
          case 'strangers': return void this.emit('strangers', message.requests);
          case 'log': return this.log[message.level](message.fields, message.words);
          case 'dialogs':
          case 'stats': {
            this.asked.get(message.id)?.(message);
            this.asked.delete(message.id);
          }
        }
      });
      child.once('exit', (code, signal) => {
        const wasUp = settled;
        settle(() => reject(new EngineError('exited', `the embedded engines ended with ${signal ?? `code ${code}`}`)));
        if (wasUp && !this.stopping && this.child === child) this.onDeath(signal ?? `code ${code}`);
      });
      this.send({ type: 'start', options: this.options });
    });
  }

  private onDeath(how: string): void {
    if (Date.now() - this.startedAt > healthyAfterMs) this.deaths = 0;
    const delay = restartDelaysMs[Math.min(this.deaths, restartDelaysMs.length - 1)]!;
    this.deaths += 1;
    this.log.error({ how, restartInMs: delay }, 'the embedded engines died; starting them again');
    this.emit('died');
    this.restartTimer = setTimeout(() => {
      this.launch().then(
        (addresses) => this.emit('restarted', addresses),
        (error: unknown) => {
          if (!this.stopping) this.onDeath(error instanceof Error ? error.message : String(error));
        },
      );
    }, delay);
  }
}

/** The compiled child; under a TypeScript runner (tests) it is that of the last build. */
function entry(): string {
  const here = fileURLToPath(import.meta.url);
  if (here.endsWith('.js')) return path.join(path.dirname(here), 'process.js');
  return path.resolve(path.dirname(here), '../../dist/gateway/engines/process.js');
}
