/** The PBX admin's page: its configuration is taken by the gateway, and the log lines and metrics it names exist. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../config/index.js';

type Yaml = Record<string, unknown>;

const root = path.resolve(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/pbx.md'), 'utf8');
const demo = parse(readFileSync(path.join(root, 'config/demo.yaml'), 'utf8')) as Yaml & { agents: { password: string }[] };
const snippets = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => parse(text!) as Yaml);

/** A snippet with what it leaves out: the demo's keys and passwords, and a trunk for the PBX that it speaks of. */
function completed(snippet: Yaml): Yaml {
  const { agents = [], ...rest } = snippet as { agents?: Yaml[] };
  const trunks = [{ name: 'pbx', addresses: ['10.20.0.10'] }];
  return { ...demo, purposeLabels: {}, trunks, ...rest, agents: agents.map((agent) => ({ password: demo.agents[0]!.password, ...agent })) };
}

it('every snippet is a configuration', () => {
  expect(snippets.length).toBeGreaterThanOrEqual(6);
  for (const snippet of snippets) expect(() => parseConfig(completed(snippet)), JSON.stringify(snippet)).not.toThrow();
  // What is left out or misspelt would be noticed.
  const handedOver = snippets.find((snippet) => JSON.stringify(snippet).includes('handOver'))!;
  expect(() => parseConfig({ ...completed(handedOver), trunks: demo['trunks'] })).toThrow('handOver.to');
  expect(() => parseConfig({ ...completed(handedOver), trunk: [] })).toThrow();
});

it('the snippets say what the page says of them', () => {
  const configs = snippets.map((snippet) => parseConfig(completed(snippet)).tenants[0]!);
  const bindings = configs.map(({ services }) => services[0]!.handOver?.binding);
  expect(bindings).toEqual(expect.arrayContaining(['both', 'claimed']));
  expect(configs.some(({ outside }) => outside?.allowed.includes('+3120'))).toBe(true);
  expect(configs.some(({ agents }) => agents[0]?.identities.includes('+31201234201'))).toBe(true);
});

it('log lines and metrics of the table exist', () => {
  const sources = readdirSync(path.join(root, 'gateway'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('engines'))
    .map((name) => readFileSync(path.join(root, 'gateway', name), 'utf8'))
    .join('\n');
  const rows = page.split('\n').filter((line) => /^\| .* \| .* \| .* \|$/.test(line));
  const table = rows.slice(rows.findIndex((row) => row.startsWith('| you see |')) + 1);
  const named = table.flatMap((row) => [...(row.split(' | ')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, text]) => text!));
  const lines = named.filter((text) => (text.includes(' ') && !text.includes(':')) || text.startsWith('INVITE'));
  expect(lines.length).toBeGreaterThanOrEqual(10);
  expect(lines.filter((line) => !sources.includes(line))).toEqual([]);
  const metrics = named.filter((text) => text.startsWith('gateway_'));
  expect(metrics).not.toEqual([]);
  for (const metric of metrics) {
    const [, name, label, value] = /^(\w+)\{(\w+)="(\w+)"\}$/.exec(metric)!;
    for (const part of [`'${name}'`, `'${label}'`, `'${value}'`]) expect(sources).toContain(part);
  }
});
