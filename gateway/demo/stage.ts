/** What the chapters of the guided runs share: a gateway, agents with screens and phones, and a storyteller who checks. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { parse } from 'yaml';
import { demoConfigPath, parseConfig, type Config } from '../../config/index.js';
import { Gateway } from '../app.js';
import { Phone, tone } from '../phone/index.js';
import { Ear } from './ear.js';
import { ScreenClient } from './screen-client.js';

/** What each speaks with, so that who hears whom can be measured. Far enough apart to be told from each other in 20 ms. */
export const hz = { citizen: 620, anna: 930, bram: 1_240, queue: 440 } as const;
export type AgentName = 'anna' | 'bram';

type Raw = { readonly agents: readonly ({ readonly name: string } & Record<string, unknown>)[]; readonly idContact: object } & Record<string, unknown>;
/** The demo's configuration, to be changed for one run. */
export type Change = (raw: Raw) => Record<string, unknown>;

/** An agent at work. */
export interface Desk {
  readonly name: AgentName;
  readonly displayName: string;
  readonly screen: ScreenClient;
  /** At the agent's phone. */
  readonly ear: Ear;
  /** When the phone was called last (performance.now). */
  rangAt: number | undefined;
}

export class Stage {
  readonly failures: string[] = [];
  readonly logLines: string[] = [];
  /** What must not be found in any log line. */
  readonly secrets: string[] = [];
  private readonly startedAt = performance.now();
  private readonly bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;
  private readonly closing: (() => unknown)[] = [];
  private readonly desks = new Map<string, Desk>();
  /** Gone at the end, with the audit trail in it. */
  private readonly folder = mkdtempSync(path.join(os.tmpdir(), 'telephone-demo-'));
  readonly trail = { folder: path.join(this.folder, 'audit'), keyFile: path.join(this.folder, 'audit-key') };
  gateway!: Gateway;

  constructor() {
    this.closing.push(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /**
   * The demo's configuration on free ports, with these agents and those who take no calls, and citizens sent to our own page.
   * @throws StartError
   */
  async open(agents: readonly AgentName[], change: Change = (raw) => raw): Promise<void> {
    const phones = new Map<string, Phone>();
    for (const name of agents) phones.set(name, await this.phone());
    mkdirSync(this.trail.folder);
    writeFileSync(this.trail.keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const config = this.configuration(phones, change);
    this.gateway = await Gateway.start(config, pino({ level: 'debug' }, { write: (line: string) => void this.logLines.push(line) }));
    this.closing.push(() => this.gateway.stop(0));
    this.tell('gateway', 'up: SIP server, media server, four web listeners');
    for (const name of agents) {
      const { displayName } = config.tenants[0]!.agents.find((agent) => agent.name === name)!;
      const screen = await ScreenClient.open(this.gateway.urls.agents, name);
      this.closing.push(() => screen.stop());
      this.seat({ name, displayName, screen, ear: new Ear([hz.citizen]), rangAt: undefined }, phones.get(name)!);
      this.tell(name, `${displayName} logs in; the screen is empty`);
    }
  }

  private configuration(phones: ReadonlyMap<string, Phone>, change: Change): Config {
    const raw = parse(readFileSync(demoConfigPath, 'utf8')) as Raw;
    const port = { port: 0 };
    return parseConfig(change({
      ...raw,
      log: { level: 'debug' },
      listeners: { public: port, core: port, agents: port, ops: port },
      sip: { listen: { host: '127.0.0.1', port: 0 } },
      audit: { folder: this.trail.folder, node: 'demo', hmacKeyFile: this.trail.keyFile },
      agents: raw.agents.filter(({ name, phone }) => phones.has(name) || phone === undefined).map((agent) => {
        const phone = phones.get(agent.name);
        return { ...agent, ...(phone && { phone: `sip:${agent.name}@${phone.sip.host}:${phone.sip.port}` }) };
      }),
      idContact: { ...raw.idContact, clientUrl: 'page' },
    }));
  }

  private seat(desk: Desk, phone: Phone): void {
    this.desks.set(desk.name, desk);
    phone.answer({
      answerAfterMs: 600,
      say: { samples: tone([hz[desk.name]], 1_000), forever: true },
      onCall: () => void (desk.rangAt = performance.now()),
      onHeard: (_call, samples) => desk.ear.hear(samples),
    });
  }

  desk(name: AgentName): Desk {
    const desk = this.desks.get(name);
    if (!desk) throw new Error(`${name} is not in this run`);
    return desk;
  }

  /** A telephone of somebody. */
  async phone(): Promise<Phone> {
    const phone = await Phone.open();
    this.closing.push(() => phone.close());
    return phone;
  }

  /** Where the municipality's number is answered. */
  number(dialled: string): string {
    const { host, port } = this.gateway.sipAddress!;
    return `sip:${dialled.replaceAll(' ', '')}@${host}:${port}`;
  }

  chapter(title: string): void {
    console.log(`\n${this.bold(title)}`);
  }

  tell(who: string, what: string): void {
    const seconds = ((performance.now() - this.startedAt) / 1000).toFixed(2).padStart(6);
    console.log(`${seconds} s  ${who.padEnd(9)}${what}`);
  }

  /** Lines that belong to what was told last, below it. */
  below(lines: readonly string[]): void {
    for (const line of lines) console.log(`${' '.repeat(21)}${line}`);
  }

  /** Says what is checked and whether it holds. */
  check(what: string, holds: boolean): void {
    this.tell('check', `${holds ? 'yes' : this.bold('NO')}  ${what}`);
    if (!holds) this.failures.push(what);
  }

  async within(ms: number, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    this.check(what, await this.until(ms, holds));
  }

  /** Waits without a word. @returns whether it came to be */
  async until(ms: number, holds: () => boolean | Promise<boolean>, everyMs = 20): Promise<boolean> {
    const giveUpAt = performance.now() + ms;
    while (!(await holds())) {
      if (performance.now() > giveUpAt) return false;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    return true;
  }

  /** Nothing of any call or citizen is left, and nothing was said of them. */
  async nothingLeft(): Promise<void> {
    const { gateway } = this;
    await this.within(5_000, 'no call, endpoint or port is left', async () => {
      const stats = await gateway.engines!.stats();
      return gateway.calls === 0 && stats.media['sessions'] === 0 && stats.media['rtpPortsInUse'] === 0;
    });
    const said = this.logLines.join('');
    this.check('no log line, even at debug level, holds a code or an attribute', this.secrets.every((secret) => !said.includes(secret)));
  }

  fail(error: unknown): void {
    this.failures.push(error instanceof Error ? error.message : String(error));
    this.tell('failed', this.failures.at(-1)!);
    for (const logLine of this.logLines.slice(-15)) process.stderr.write(logLine);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    for (const close of this.closing.splice(0).reverse()) await Promise.resolve().then(close).catch(() => undefined);
  }

  /** The verdict. @returns the process's exit code */
  verdict(): number {
    console.log(this.bold(this.failures.length === 0 ? '\nAll of it holds.' : `\nFailed: ${this.failures.join('; ')}`));
    return this.failures.length === 0 ? 0 : 1;
  }
}
