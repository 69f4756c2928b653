/** What the chapters of the guided run share: a gateway, an agent with a screen and a phone, and a storyteller who checks. */
import pino from 'pino';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { demoConfigPath, parseConfig, type Config } from '../../config/index.js';
import { Gateway } from '../app.js';
import { Phone, tone } from '../phone/index.js';
import { ScreenClient } from './screen-client.js';

const citizenHz = 620;
const agentHz = 930;
export const hz = { citizen: citizenHz, agent: agentHz } as const;

/** The demo configuration on free ports, with one agent at the given phone, and citizens sent to our own page. */
function demoConfig(agentPhone: string): Config {
  const raw = parse(readFileSync(demoConfigPath, 'utf8')) as { agents: object[]; idContact: object } & Record<string, unknown>;
  const port = { port: 0 };
  return parseConfig({
    ...raw,
    log: { level: 'debug' },
    listeners: { public: port, core: port, agents: port, ops: port },
    sip: { listen: { host: '127.0.0.1', port: 0 } },
    agents: raw.agents.slice(0, 1).map((agent) => ({ ...agent, phone: agentPhone })),
    idContact: { ...raw.idContact, clientUrl: 'page' },
  });
}

export class Stage {
  readonly failures: string[] = [];
  readonly logLines: string[] = [];
  /** What must not be found in any log line. */
  readonly secrets: string[] = [];
  readonly heardByAgent: Int16Array[] = [];
  private readonly startedAt = performance.now();
  private readonly bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;
  private readonly closing: (() => Promise<unknown>)[] = [];
  gateway!: Gateway;
  screen!: ScreenClient;

  /** @throws StartError */
  async open(): Promise<void> {
    const agentPhone = await Phone.open();
    this.closing.push(() => agentPhone.close());
    const config = demoConfig(agentPhone.uri);
    this.gateway = await Gateway.start(config, pino({ level: 'debug' }, { write: (line: string) => void this.logLines.push(line) }));
    this.closing.push(() => this.gateway.stop(0));
    this.tell('gateway', 'up: SIP server, media server, four web listeners');
    const agent = config.tenants[0]!.agents[0]!;
    this.screen = await ScreenClient.open(this.gateway.urls.agents, agent.name);
    this.closing.push(() => this.screen.stop());
    this.tell('agent', `${agent.displayName} logs in; the screen is empty`);
    agentPhone.answer({ answerAfterMs: 600, say: { samples: tone([agentHz], 1_000), forever: true }, onHeard: (_call, samples) => void this.heardByAgent.push(samples.slice()) });
  }

  /** A citizen's telephone. */
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

  /** Says what is checked and whether it holds. */
  check(what: string, holds: boolean): void {
    this.tell('check', `${holds ? 'yes' : this.bold('NO')}  ${what}`);
    if (!holds) this.failures.push(what);
  }

  async within(ms: number, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const giveUpAt = performance.now() + ms;
    while (!(await holds())) {
      if (performance.now() > giveUpAt) return this.check(what, false);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.check(what, true);
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

  async close(): Promise<void> {
    for (const close of this.closing.reverse()) await close().catch(() => undefined);
  }

  /** The verdict. @returns the process's exit code */
  verdict(): number {
    console.log(this.bold(this.failures.length === 0 ? '\nAll of it holds.' : `\nFailed: ${this.failures.join('; ')}`));
    return this.failures.length === 0 ? 0 : 1;
  }
}
