/** What people see and say stays with them: no attribute and no code in any log line, metric, SIP message or error. */
import { afterEach, expect, it } from 'vitest';
import { Peers, sleep, startCitizen, startSippAgent, until, type Sipp } from '../peers/index.js';
import { TestGateway, type TestSession } from '../support/gateway.js';
import { dialled } from './support.js';
import { RawCall, RawSocket } from './raw-sip.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

/** Values that occur nowhere by chance. */
const people: Record<string, string>[] = [
  { fullname: 'Wilhelmina Xanthippe-Qvist', bsn: '904127735', city: 'Zuidoostbeemsterveen' },
  { fullname: 'Ottokar Vrzh\u00e1\u0165k\u00fd', bsn: '318846120', email: 'ottokar@geheim.example' },
  { fullname: 'Bathsheba Yngwie', street: 'Onvindbaarsteeg 48213' },
];

/** A text in the ways it might have been written by accident. */
function disguises(text: string): string[] {
  const spaced = Array.from(text);
  return [...new Set([text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1), Buffer.from(text).toString('base64').replace(/=+$/, ''), Buffer.from(text).toString('hex'), spaced.join(' '), spaced.join(',')])];
}

it.each(['anchored', 'released'] as const)('nothing private is in what others can read (%s)', async (bridge) => {
  const lines: string[] = [];
  const readable = new Map<string, () => string>();
  const phone = peers.add(await startSippAgent({ behaviour: { kind: 'answer', afterMs: 100, hangupAfterMs: 600_000 } }));
  const gateway = peers.add(await TestGateway.start({
    bridge, logLevel: 'trace', logTo: { write: (line) => void lines.push(line) }, calls: { ackTimeoutMs: 700 }, agents: [{ name: 'anna', phone: `sip:anna@127.0.0.1:${phone.sip.port}` }],
  }));
  const { urls } = gateway.gateway;
  const screen = peers.add(await gateway.screen('anna'));
  readable.set('log', () => lines.join(''));
  // Commands of this test to its own phones are no part of any call.
  const seenBy = (who: string, sipp: Sipp) => readable.set(who, () => sipp.messages().filter(({ firstLine }) => !/^(PRESS|PLAY|HANGUP) /.test(firstLine)).map(({ text }) => text).join('\n'));
  seenBy('agent’s phone', phone);
  const secrets: string[] = people.flatMap((person) => Object.values(person));
  const codes: string[] = [];
  const answers: string[] = [];
  readable.set('HTTP answers', () => answers.join('\n'));

  const session = async (person?: Record<string, string>): Promise<TestSession> => {
    const made = await gateway.startSession();
    codes.push(made.code);
    if (person) await gateway.deliver(made, person);
    return made;
  };
  const dial = async (who: string) => {
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled }));
    seenBy(who, citizen);
    await citizen.answered();
    return citizen;
  };
  let connected = 0;
  const untilConnected = () => screen.told('connected', { count: (connected += 1), timeoutMs: 20_000 });
  const over = () => gateway.untilEmpty(15_000);

  // Identified, connected, hung up by the citizen; the screen was slow once.
  const first = await session(people[0]);
  screen.acknowledges = false;
  const a = await dial('first citizen');
  await a.press(`${first.code}#`);
  await screen.told('clear', { timeoutMs: 20_000 });
  screen.acknowledges = true;
  await untilConnected();
  expect(Object.values(screen.shown?.fields ?? {})).toContain(people[0]!['fullname']);
  // The code and the result again, while they are in use, and nonsense beside them.
  answers.push(await post(first.attrUrl, 'application/jwt', people[0]!['fullname']!));
  answers.push(await post(`${urls.core}/start_communication`, 'application/json', JSON.stringify({ purpose: people[0]!['fullname'], bsn: people[0]!['bsn'] })));
  answers.push(await post(`${urls.core}/start_communication`, 'application/json', `{"purpose": "${people[0]!['bsn']}`));
  answers.push(await post(`${urls.core}/${encodeURIComponent(first.code)}`, 'text/plain', first.code));
  answers.push(await get(`${urls.agents}/screen/${first.code}`), await get(`${urls.ops}/health?code=${first.code}`), await get(`${urls.public}/${first.code}`));
  await a.hangup();
  await over();

  // Three wrong codes, among them a used one and one with a slip.
  const second = await session(people[1]);
  const wrong = [first.code, Array.from(second.code).reverse().join(''), '4711081547'];
  codes.push(...wrong);
  const b = await dial('second citizen');
  const refused = async () => (await gateway.metric(/^gateway_codes_total\{.*refused/)) + (await gateway.metric(/^gateway_codes_total\{.*mistyped/));
  for (const code of wrong) {
    const tried = await refused();
    await b.press(`${code}#`);
    await until(async () => (await refused()) > tried, 'the code to be refused', 15_000);
    await sleep(300);
  }
  await untilConnected();
  expect(screen.shown?.fields).toBeNull();
  await b.hangup();
  await over();

  // By INFO, hung up while waiting; then again with the same code, ended on the screen.
  screen.say({ type: 'availability', value: 'break' });
  const socket = peers.add(await RawSocket.open(gateway.sip));
  const media = peers.add(await RawSocket.open(gateway.sip));
  const c = await RawCall.make(socket, media, dialled);
  await c.press(`${second.code}#`);
  await until(() => gateway.metric(/^gateway_waiting /), 'the call to wait', 15_000);
  await c.hangup();
  await over();
  screen.say({ type: 'availability', value: 'available' });
  const d = await dial('fourth citizen');
  await d.press(`${second.code}#`);
  await untilConnected();
  expect(Object.values(screen.shown?.fields ?? {})).toContain(people[1]!['fullname']);
  screen.end();
  await d.saw(/^BYE /, { direction: 'received' });
  await over();

  // A result that comes late and one that is damaged; the agent hangs up.
  const third = await session();
  const e = await dial('fifth citizen');
  await e.press(`${third.code}#`);
  await until(async () => (await gateway.gateway.vault.stats()).claimed === 1, 'the claim', 15_000);
  answers.push(await post(third.attrUrl, 'application/jwt', `eyJ.${Buffer.from(JSON.stringify(people[2])).toString('base64url')}.x`));
  await gateway.deliver(third, people[2]!);
  await untilConnected();
  await phone.hangup();
  await e.saw(/^BYE /, { direction: 'received' });
  await over();

  readable.set('metrics', () => metrics);
  const metrics = await get(`${urls.ops}/metrics`);
  expect(metrics).toMatch(/^gateway_codes_total/m);
  expect(lines.length).toBeGreaterThan(50);
  const found: string[] = [];
  for (const [where, read] of readable) {
    const text = read();
    expect(text.length, where).toBeGreaterThan(50);
    for (const [kind, values] of [['attribute', secrets], ['code', codes]] as const) {
      for (const value of values) {
        for (const disguise of disguises(value)) {
          const at = text.indexOf(disguise);
          // What the citizen sends is the citizen's own; here only keys sent by INFO would be, one at a time.
          if (at >= 0) found.push(`${kind} "${value}" in ${where}: ...${text.slice(Math.max(0, at - 120), at + 120)}...`);
        }
      }
    }
    // Not even its parts: no line of the log holds a key that was pressed.
    if (where === 'log') for (const line of text.split('\n')) if (/"(key|digit|digits|dtmf|code)":"?[0-9*#]/i.test(line)) found.push(`a key in ${where}: ${line}`);
  }
  expect(found).toEqual([]);
}, 150_000);

async function post(url: string, type: string, body: string): Promise<string> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  const text = await answer.text();
  // A new session answers with its own code, which is meant for the citizen alone.
  return answer.status === 200 ? `${answer.status}` : `${answer.status}\n${headers}\n${text}`;
}

async function get(url: string): Promise<string> {
  const answer = await fetch(url);
  return `${answer.status}\n${await answer.text()}`;
}
