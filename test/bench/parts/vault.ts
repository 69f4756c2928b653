/** Claims: how long one takes among few and among many live sessions, in memory and in Redis. */
import { randomBytes, randomUUID } from 'node:crypto';
import pino from 'pino';
import { Secret } from '../../../config/index.js';
import { connectRedis } from '../../../core-bridge/redis/connect.js';
import { SealKeyring } from '../../../core-bridge/vault/keyring.js';
import { MemoryStore } from '../../../core-bridge/vault/memory-store.js';
import { RedisStore } from '../../../core-bridge/vault/redis-store.js';
import { SealedVault } from '../../../core-bridge/vault/sealed-vault.js';
import { newSealKey } from '../../../core-bridge/vault/seal.js';
import type { SessionStore } from '../../../core-bridge/vault/store.js';
import { startRedis } from '../../peers/redis.js';
import { until } from '../../peers/wait.js';
import type { Effort } from '../options.js';
import type { ClaimsReport, VaultReport } from '../report.js';
import { round, spread } from '../statistics.js';
import type { PartContext } from './rig.js';

/** Nothing may expire while it is measured. */
const lifetimeMs = 4 * 3_600_000;
const limits = { maxLive: 10_000_000, maxHoldMs: lifetimeMs, codeRestMs: lifetimeMs, now: Date.now };
/** Sessions put into a store at one time. */
const atOnce = 500;

interface Population {
  readonly vault: SealedVault;
  readonly codes: readonly string[];
}

/** A store with so many live sessions, `claims` of which have a code that is known. */
async function populate(store: SessionStore, live: number, claims: number): Promise<Population> {
  const vault = new SealedVault(store, { nextLength: () => Promise.resolve(10), codeLifetimeMs: lifetimeMs, longestLifetimeMs: lifetimeMs, reclaimGraceMs: 60_000, hashKey: new Secret(randomBytes(32).toString('hex')) });
  const codes: string[] = [];
  const others = { purpose: 'report_move', authentication: 'expected', word: 0, sealedCode: randomBytes(38), sealKey: newSealKey(), expiresAtMs: Date.now() + lifetimeMs, extendableUntilMs: Date.now() + lifetimeMs } as const;
  const hash = (): string => randomBytes(32).toString('base64url');
  const every = Math.floor(live / claims);
  for (let from = 0; from < live; from += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, live - from) }, async (_, i) => {
      if ((from + i) % every === 0 && codes.length < claims) codes.push((await vault.create({ purpose: 'report_move', authentication: 'expected' })).code);
      else await store.insert({ ...others, sessionId: randomUUID(), codeHash: hash(), tokenHash: hash(), board: hash() });
    }));
  }
  // A code that is claimed has just been typed. Those kept from the making lie far apart among a million sessions, and to
  // read one there was measured as part of the claim.
  return { vault, codes: JSON.parse(JSON.stringify(codes)) as string[] };
}

/** Larger than the caches of a processor that a gateway runs on. */
const otherWork = new Uint8Array(64 * 1_048_576).fill(1);
const cacheLine = 64;

/** What a process does between two claims, as far as a claim can tell: other things are in the caches now. */
function doOtherWork(): void {
  for (let at = 0; at < otherWork.length; at += cacheLine) otherWork[at]! ^= 1;
}

/**
 * Claims in turn among few and among many, so that whatever else the machine does falls on both.
 * @param between done before each claim
 */
async function claim(few: Population, many: Population, between: () => void, codesFrom: number, codesTo: number): Promise<Pick<ClaimsReport, 'fewMs' | 'manyMs' | 'ratio'>> {
  const measured = [{ ...few, ms: [] as number[] }, { ...many, ms: [] as number[] }];
  for (let i = codesFrom; i < codesTo; i += 1) {
    for (const { vault, codes, ms } of i % 2 === 0 ? measured : measured.toReversed()) {
      between();
      const before = performance.now();
      const claimed = await vault.claim(codes[i]!, `call-${i}`);
      ms.push(performance.now() - before);
      if (!claimed.ok) throw new Error('a live code could not be claimed');
    }
  }
  const [fewMs, manyMs] = measured.map(({ ms }) => spread(ms, 4));
  return { fewMs: fewMs!, manyMs: manyMs!, ratio: round(manyMs!.p50 / fewMs!.p50) };
}

async function inRedis(context: PartContext, { fewSessions, manySessions, claims }: Effort): Promise<ClaimsReport> {
  const sealKeys = [{ id: 'bench', key: new Secret(randomBytes(32).toString('hex')) }];
  const undo: (() => Promise<void>)[] = [];
  try {
    const populations: Population[] = [];
    for (const live of [fewSessions, manySessions]) {
      const server = await startRedis();
      undo.unshift(() => server.stop());
      const link = connectRedis({ kind: 'redis', server: { host: server.host, port: server.port }, prefix: 'tig', sealKeys }, pino({ level: 'silent' }), { workWithinMs: 30_000 });
      undo.unshift(() => link.close());
      await until(() => link.ready, 'Redis to be reachable', 15_000);
      const before = performance.now();
      populations.push(await populate(new RedisStore({ ...limits, link, prefix: 'tig', tenant: 'main', keyring: new SealKeyring(sealKeys) }), live, claims));
      context.say(`vault: ${live} sessions in Redis after ${round((performance.now() - before) / 1_000, 0)} s, ${/used_memory_human:(\S+)/.exec(await server.cli('INFO', 'memory'))?.[1] ?? '?'}`);
    }
    return { fewSessions, manySessions, ...(await claim(populations[0]!, populations[1]!, () => undefined, 0, claims)) };
  } finally {
    for (const stop of undo) await stop();
  }
}

export async function inMemory({ fewSessions, manySessions, claims }: Effort): Promise<Pick<VaultReport, 'memory' | 'memoryInTightLoop'>> {
  const [few, many] = [await populate(new MemoryStore(limits), fewSessions, claims), await populate(new MemoryStore(limits), manySessions, claims)];
  try {
    const half = Math.floor(claims / 2);
    return {
      memory: { fewSessions, manySessions, ...(await claim(few, many, doOtherWork, 0, half)) },
      memoryInTightLoop: { fewSessions, manySessions, ...(await claim(few, many, () => undefined, half, claims)) },
    };
  } finally {
    await few.vault.close();
    await many.vault.close();
  }
}

export async function measureVault(context: PartContext, effort: Effort): Promise<VaultReport> {
  const report = { redis: await inRedis(context, effort), ...(await inMemory(effort)) };
  for (const [where, { fewMs, manyMs, ratio }] of Object.entries(report)) context.say(`vault in ${where}: claim p50 ${fewMs.p50} ms among few, ${manyMs.p50} ms among many: ${ratio}`);
  return report;
}
