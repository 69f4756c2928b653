/** A whole gateway and its trail: what is recorded of a call, and what is shown when nothing can be recorded. */
import { chmodSync, mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../config/index.js';
import { Gateway } from '../../gateway/app.js';
import { typeCode } from './support.js';
import { Peers, scratchFolder, startBaresip, startCitizen, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { linesOf, parsed, trailFiles, verify } from '../audit/support.js';

const peers = new Peers();
let folder: string;
beforeEach(() => { folder = scratchFolder('audit'); });
afterEach(async () => {
  await peers.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

const recorded = (where: string): Record<string, unknown>[] => trailFiles(where).flatMap((file) => linesOf(where, file)).map(parsed);

async function identifiedCall(gateway: TestGateway) {
  const screen = peers.add(await gateway.screen('anna'));
  const code = await gateway.citizen({ fullname: 'J. Jansen', city: 'Nijmegen' });
  const citizen = peers.add(await startCitizen({ to: gateway.sip, user: '+31201234567', toneHz: [600] }));
  await citizen.answered();
  await typeCode(gateway, citizen, code);
  await screen.told('connected', { timeoutMs: 20_000 });
  return { screen, citizen };
}

it('says who saw which attributes of which call, when and why, and nothing of what they were', async () => {
  const phone = peers.add(await startBaresip({ toneHz: [900] }));
  const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: phone.uri }], audit: { folder, node: 'gw1' } }));
  const { screen, citizen } = await identifiedCall(gateway);
  expect(Object.values(screen.shown?.fields ?? {})).toContain('J. Jansen');
  // It was there before the screen was, and it is not the end of the call that writes it.
  const [shown] = recorded(folder).filter(({ act }) => act === 'shown');
  expect(shown).toMatchObject({ tenant: 'main', agent: 'anna', why: 'answered' });
  expect((shown!['fields'] as string[]).sort()).toEqual(['city', 'fullname']);
  await citizen.hangup();
  await screen.told('clear');
  await gateway.untilEmpty();
  await gateway.stop();
  const acts = recorded(folder);
  expect(acts.filter(({ callId }) => callId === shown!['callId']).map(({ act }) => act)).toEqual(['shown', 'cleared']);
  expect(acts.map(({ act }) => act)).toContain('signedIn');
  expect(acts.at(-1)).toMatchObject({ act: 'closed' });
  expect(JSON.stringify(acts)).not.toMatch(/Jansen|Nijmegen/);
  expect((await verify(folder)).problems).toEqual([]);
}, 90_000);

describe.skipIf(process.getuid?.() !== 0)('when the disk is full (needs root, to mount a small one)', () => {
  it.each([[true, false], [false, true]] as const)('required: %s, attributes are shown: %s; the two talk either way', async (required, visible) => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=0700', 'tmpfs', folder]);
    peers.defer(() => execFileSync('umount', ['-l', folder]));
    const phone = peers.add(await startBaresip({ toneHz: [900] }));
    const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: phone.uri }], audit: { folder, required } }));
    const ballast = path.join(folder, 'ballast');
    expect(() => writeFileSync(ballast, Buffer.alloc(200_000))).toThrow('ENOSPC');
    // The file has a page of its own left: it is filled record by record, each shorter than the one that counts.
    const records = (outcome: string) => gateway.metric(new RegExp(`^gateway_audit_records_total.*${outcome}`));
    while ((await records('failed')) === 0) {
      const before = await records('written');
      gateway.gateway.happenings.tell({ type: 'call.cleared', tenant: 'main', callId: 'c', agent: 'a', because: 'x' });
      await until(async () => (await records('written')) + (await records('failed')) > before, 'the record to be written or not');
    }
    const { screen, citizen } = await identifiedCall(gateway);
    expect(Object.values(screen.shown?.fields ?? {}).includes('J. Jansen')).toBe(visible);
    expect(await records('failed')).toBeGreaterThan(1);
    unlinkSync(ballast);
    await citizen.hangup();
    await gateway.untilEmpty();
    await until(() => recorded(folder).some(({ act }) => act === 'gap'), 'the trail to say what it missed');
    expect((await verify(folder)).problems).toEqual([]);
  }, 90_000);
});

it('a gateway that cannot keep its trail does not start, and says which setting to change; when it need not, it starts', async () => {
  const file = path.join(folder, 'file');
  writeFileSync(file, 'in the way');
  const config = (audit: Record<string, unknown>) => parseConfig({
    demo: true,
    listeners: { public: { port: 0 }, core: { port: 0 }, agents: { port: 0 }, ops: { port: 0 } },
    sip: { listen: { port: 0 } },
    trunks: [{ name: 'a', addresses: ['127.0.0.0/8'] }],
    services: [{ name: 'a', numbers: ['*'], purposes: ['a'] }],
    idContact: { phoneNumber: '+31201234567' },
    audit: { folder: path.join(file, 'trail'), ...audit },
  }, { env: {} });
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  await expect(Gateway.start(config({}), log)).rejects.toThrow(/^audit\.folder: the audit trail cannot be written in .*ENOTDIR/);
  const gateway = await Gateway.start(config({ required: false }), log);
  expect(lines.join('')).toContain('no audit trail is kept');
  await gateway.stop(0);
  mkdirSync(path.join(folder, 'open'));
  chmodSync(path.join(folder, 'open'), 0o755);
  const open = await Gateway.start(config({ folder: path.join(folder, 'open') }), log);
  expect(lines.join('')).toContain('others than the gateway can look into the folder');
  await open.stop(0);
  expect(readdirSync(path.join(folder, 'open'))).toHaveLength(1);
}, 60_000);
