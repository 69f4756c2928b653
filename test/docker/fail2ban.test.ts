/** The filter for fail2ban: finds strangers in the gateway's log, and nobody whom a stranger names there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino, type Logger } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { Strangers } from '../../gateway/sip/strangers.js';
import { dockerDir } from './compose-file.js';

const filter = path.join(dockerDir, 'fail2ban/filter.d/telephone-gateway.conf');
const MESSAGE = 'request from an address that no trunk lists';

/** What is logged meanwhile, as the gateway's log has it: lines without their end. */
function linesOf(work: (log: Logger) => void): string[] {
  const lines: string[] = [];
  work(pino({}, { write: (text: string) => void lines.push(text.trimEnd()) }).child({ room: 'calls' }));
  return lines;
}
const logged = (fields: object, message = MESSAGE): string => linesOf((log) => log.warn(fields, message)).join('\n');

/** The line about a stranger, from where the gateway writes it. */
const stranger = (address: string, method = 'INVITE'): string => linesOf((log) => new Strangers(log, () => undefined).note({ method, address, protocol: 'udp' })).join('\n');

/** The same in a file of Docker's json-file driver. */
const inDocker = (line: string): string => JSON.stringify({ log: `${line}\n`, stream: 'stdout', time: new Date().toISOString() });
const inJournal = (line: string): string => `telephone-1 node[4711]: ${line}`;

/** How lines are read: by fail2ban, where it is installed, and always by its expressions, put into words of JavaScript. */
const readers: [string, boolean, (lines: readonly string[]) => string[]][] = [
  ['fail2ban-regex', spawnSync('fail2ban-regex', ['--version']).error === undefined, byFail2ban],
  ['its expressions', true, byExpressions],
];

const work = mkdtempSync(path.join(os.tmpdir(), 'fail2ban-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

function byFail2ban(lines: readonly string[]): string[] {
  const file = path.join(work, 'log');
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  const { stdout, stderr, status } = spawnSync('fail2ban-regex', ['--out', '<ip>', file, filter], { encoding: 'utf8' });
  if (status !== 0 && /error/i.test(stderr)) throw new Error(stderr);
  return stdout.split('\n').filter(Boolean);
}

function byExpressions(lines: readonly string[]): string[] {
  const settings = new Map<string, string>();
  let last = '';
  for (const line of readFileSync(filter, 'utf8').split('\n')) {
    if (/^(#|\[|$)/.test(line)) continue;
    const [, name, value] = /^(\w+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) last = name;
    settings.set(last, name === undefined ? `${settings.get(last)}\n${line.trim()}` : (value ?? ''));
  }
  const expressions = settings.get('failregex')!.split('\n').map((text) => new RegExp(text.replaceAll(/%\((\w+)\)s/g, (_, name: string) => settings.get(name)!).replace('<ADDR>', '(?:::f{4,6}:)?(?<ip>[0-9a-fA-F.:]+)')));
  const time = new RegExp(settings.get('datepattern')!.replace('{LEPOCH}', '\\d{13}'));
  return lines.flatMap((line) => (time.test(line) ? expressions.flatMap((expression) => expression.exec(line.replace(time, ''))?.groups?.['ip'] ?? []) : []));
}

describe.each(readers)('the filter, as read by %s', (_name, isThere, addressesIn) => {
  it.skipIf(!isThere)('finds every stranger, in a plain log, in Docker’s and in the journal', () => {
    const lines = [stranger('192.0.2.9'), stranger('2001:db8::9', 'REGISTER'), stranger('::ffff:192.0.2.10')];
    const found = ['192.0.2.9', '2001:db8::9', '192.0.2.10'];
    expect(addressesIn(lines)).toEqual(found);
    expect(addressesIn(lines.map(inDocker))).toEqual(found);
    expect(addressesIn(lines.map(inJournal))).toEqual(found);
  });

  it.skipIf(!isThere)('finds nobody else, whatever strangers write', () => {
    const forged = `x","from":"203.0.113.1","msg":"${MESSAGE}`;
    const asJson = JSON.stringify({ from: '203.0.113.2', msg: MESSAGE });
    const lines = [
      logged({ from: '203.0.113.3' }, 'call ended'),
      logged({ agent: forged }, 'agent not reached'),
      logged({ reason: `${forged}"}` }, 'agent not reached'),
      logged({ reason: `${forged}"}\n${asJson}` }, `x ${MESSAGE}`),
      logged({}, asJson),
      logged({}, `${forged}"}`),
      logged({ from: forged }),
      stranger(forged),
      stranger('x', forged),
      linesOf((log) => log.warn({ requests: 7 }, 'more requests from addresses that no trunk lists')).join(),
      logged({ from: 'example.org' }),
      logged({ from: '' }),
      logged({ nested: { from: '203.0.113.4', msg: MESSAGE } }, 'call ended'),
    ];
    // What another container prints is one text to Docker, and a backslash before a quote does not end it.
    const others = [asJson, `notice ${asJson}`, forged, `${asJson}\n`].map((text) => JSON.stringify({ log: `2026-11-30 notice ${text}\n`, stream: 'stdout', time: new Date().toISOString() }));
    expect(addressesIn(lines)).toEqual([]);
    expect(addressesIn([...lines.map(inDocker), ...others])).toEqual([]);
    expect(addressesIn(lines.map(inJournal))).toEqual([]);
  });

  it.skipIf(!isThere)('is not slowed down by a long line', () => {
    const long = logged({ from: '192.0.2.9', user: 'a,'.repeat(20_000), numbers: 1 }, `${'"x":1,'.repeat(20_000)}${MESSAGE}`);
    const startedAt = performance.now();
    expect(addressesIn([long, inDocker(long), `{"time":1796105773123,${'"a":1,'.repeat(50_000)}`])).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
