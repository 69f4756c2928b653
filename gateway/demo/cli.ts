/**
 * `npm run demo`: the whole story by itself, on free ports beside whatever else runs here. Prints what happens, checks
 * what must be true, and exits 0 only if all of it was.
 */
import { readFileSync } from 'node:fs';
import pino from 'pino';
import { parse } from 'yaml';
import { demoConfigPath, parseConfig, type Config } from '../../config/index.js';
import { Gateway } from '../app.js';
import { msOfTone, Phone, tone } from '../phone/index.js';
import { ScreenClient } from './screen-client.js';

const citizenHz = 620;
const agentHz = 930;
const person = { fullname: 'Jans de Boer', dateofbirth: '1951-03-14', city: 'Nijmegen' };

const startedAt = performance.now();
const failures: string[] = [];
const bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;

function tell(who: string, what: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(2).padStart(6);
  console.log(`${seconds} s  ${who.padEnd(9)}${what}`);
}

/** Says what is checked and whether it holds. */
function check(what: string, holds: boolean): void {
  tell('check', `${holds ? 'yes' : bold('NO')}  ${what}`);
  if (!holds) failures.push(what);
}

async function within(ms: number, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) return check(what, false);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  check(what, true);
}

/** The demo configuration on free ports, with one agent at the given phone. */
function demoConfig(agentPhone: string): Config {
  const raw = parse(readFileSync(demoConfigPath, 'utf8')) as { agents: object[] } & Record<string, unknown>;
  const port = { port: 0 };
  return parseConfig({
    ...raw,
    log: { level: 'debug' },
    listeners: { public: port, core: port, agents: port, ops: port },
    sip: { listen: { host: '127.0.0.1', port: 0 } },
    agents: raw.agents.slice(0, 1).map((agent) => ({ ...agent, phone: agentPhone })),
  });
}

async function story(): Promise<void> {
  const logLines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void logLines.push(line) });
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const agentPhone = await Phone.open();
    closing.push(() => agentPhone.close());
    const config = demoConfig(agentPhone.uri);
    const gateway = await Gateway.start(config, log);
    closing.push(() => gateway.stop(0));
    tell('gateway', `up: SIP server, media server, four web listeners`);

    const agent = config.tenants[0]!.agents[0]!;
    const screen = await ScreenClient.open(gateway.urls.agents, agent.name);
    closing.push(() => screen.stop());
    tell('agent', `${agent.displayName} logs in; the screen is empty`);
    let agentHeard = 0;
    const heardByAgent: Int16Array[] = [];
    agentPhone.answer({ answerAfterMs: 600, say: { samples: tone([agentHz], 1_000), forever: true }, onHeard: (_call, samples) => void heardByAgent.push(samples.slice()) });
    const agentHearsCitizen = () => {
      // Only what came since the last look.
      for (const block of heardByAgent.splice(0)) agentHeard += msOfTone(block, citizenHz, { windowMs: 20 });
      return agentHeard;
    };

    const session = (await (
      await fetch(`${gateway.urls.public}/demo/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ attributes: person }) })
    ).json()) as { number: string; code: string };
    tell('citizen', 'logs in on the website and is given a number and a code');

    const citizenPhone = await Phone.open();
    closing.push(() => citizenPhone.close());
    const heardByCitizen: Int16Array[] = [];
    const to = `sip:${session.number.replaceAll(' ', '')}@${gateway.sipAddress!.host}:${gateway.sipAddress!.port}`;
    const call = citizenPhone.call({
      to,
      code: session.code,
      codeAfterMs: 1_200,
      say: { samples: tone([citizenHz], 60_000), forever: false },
      giveUpAfterMs: 30_000,
      onHeard: (samples) => void heardByCitizen.push(samples.slice()),
    });
    let citizenHeard = 0;
    const citizenHearsAgent = () => {
      for (const block of heardByCitizen.splice(0)) citizenHeard += msOfTone(block, agentHz, { windowMs: 20 });
      return citizenHeard;
    };
    tell('citizen', 'dials');
    call.on('event', (event) => {
      switch (event.kind) {
        case 'answered': return tell('citizen', 'hears the greeting');
        case 'pressing': return tell('citizen', 'types the code');
        case 'told':
          if (event.state === 'waiting') tell('gateway', 'accepts the code; the citizen waits');
          if (event.state === 'ringing-agent') tell('gateway', "rings the agent's phone; the screen shows a call, and no name");
          return;
        default:
      }
    });
    let heardBeforePop = -1;
    let popAt = 0;
    screen.onPop = () => {
      heardBeforePop = agentHearsCitizen();
      popAt = performance.now();
    };
    await screen.told('reveal', { timeoutMs: 25_000 });
    tell('screen', `shows ${Object.keys(screen.shown?.fields ?? {}).length} verified attributes`);
    await screen.told('connected', { timeoutMs: 10_000 });
    tell('gateway', `connects the two, ${Math.round(screen.toldAt('connected')! - popAt)} ms after the screen`);
    check('the name on the screen is the citizen’s', Object.values(screen.shown?.fields ?? {}).includes(person.fullname));
    check('the agent heard nothing of the citizen before the screen showed who it is', heardBeforePop === 0);
    await within(8_000, 'the agent hears the citizen', () => agentHearsCitizen() > 400);
    await within(8_000, 'the citizen hears the agent', () => citizenHearsAgent() > 400);

    const hungUpAt = performance.now();
    await call.hangup('the conversation is over');
    tell('citizen', 'hangs up');
    await within(1_000, 'the screen is empty within a second', () => screen.shown === undefined);
    await within(1_000, 'session, result and code are deleted within a second', async () => (await gateway.vault.stats()).live === 0);
    tell('gateway', `everything of the citizen is gone, ${Math.round(performance.now() - hungUpAt)} ms after the end`);
    check('the code is worth nothing any more', !(await gateway.vault.claim(session.code, 'another call')).ok);
    await within(5_000, 'no call, endpoint or port is left', async () => {
      const stats = await gateway.engines!.stats();
      return gateway.calls === 0 && stats.media['sessions'] === 0 && stats.media['rtpPortsInUse'] === 0;
    });
    const said = logLines.join('');
    check('no log line, even at debug level, holds the code or an attribute', [session.code, ...Object.values(person)].every((secret) => !said.includes(secret)));
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
    tell('failed', failures.at(-1)!);
    for (const logLine of logLines.slice(-15)) process.stderr.write(logLine);
  } finally {
    for (const close of closing.reverse()) await close().catch(() => undefined);
  }
}

await story();
console.log(failures.length === 0 ? bold('\nAll of it holds.') : bold(`\nFailed: ${failures.join('; ')}`));
process.exit(failures.length === 0 ? 0 : 1);
