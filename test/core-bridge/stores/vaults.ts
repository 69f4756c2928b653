/** Vaults as the tests of all stores use them: a clock of their own, results to deliver, and several nodes on one store. */
import pino from 'pino';
import { Secret } from '../../../config/index.js';
import { connectRedis, type LinkLimits, type RedisConfig, type RedisLink } from '../../../core-bridge/redis/connect.js';
import type { VerifiedResult } from '../../../core-bridge/results/verified-result.js';
import { SealKeyring } from '../../../core-bridge/vault/keyring.js';
import { MemoryStore } from '../../../core-bridge/vault/memory-store.js';
import { RedisStore } from '../../../core-bridge/vault/redis-store.js';
import { SealedVault } from '../../../core-bridge/vault/sealed-vault.js';
import type { SessionStore } from '../../../core-bridge/vault/store.js';
import { VaultError } from '../../../core-bridge/vault/vault.js';
import { until } from '../../peers/wait.js';

export const LIFETIME_MS = 900_000;
export const LONGEST_MS = 2_000_000;
export const GRACE_MS = 60_000;
export const MAX_HOLD_MS = 3_600_000;
export const START = Date.UTC(2026, 0, 15);

export const success = (name: string): VerifiedResult => ({ status: 'success', attributes: { name }, authMethod: 'digid', verifiedAt: new Date(START), sessionUrl: `https://plugin.example/s/${name}` });
export const failed: VerifiedResult = { status: 'failed', authMethod: 'digid', verifiedAt: new Date(START) };
export const session = { purpose: 'report_move', authentication: 'expected' } as const;
export const errorCode = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', (error: unknown) => (error instanceof VaultError ? error.code : String(error)));

export interface Limits { maxLive?: number; graceMs?: number; tenant?: string; doubtEveryMs?: number }

/** One store, seen from several nodes; the clock is common to them. */
export interface Built {
  readonly nodes: readonly SealedVault[];
  readonly stores: readonly SessionStore[];
  /** The first node. */
  readonly vault: SealedVault;
  readonly clock: { now: number };
}

function vaultOn(store: SessionStore, graceMs: number, now: () => number): SealedVault {
  return new SealedVault(store, { nextLength: () => Promise.resolve(10), codeLifetimeMs: LIFETIME_MS, longestLifetimeMs: LONGEST_MS, reclaimGraceMs: graceMs, hashKey: new Secret('k'.repeat(32)), now });
}

function storeLimits(limits: Limits, now: () => number) {
  return { maxLive: limits.maxLive ?? 1_000, maxHoldMs: MAX_HOLD_MS, codeRestMs: LIFETIME_MS, now };
}

export function buildInMemory(limits: Limits = {}): Built & { readonly store: MemoryStore } {
  const clock = { now: START };
  const now = (): number => clock.now;
  const store = new MemoryStore({ ...storeLimits(limits, now), sweepEveryMs: 3_600_000 });
  const vault = vaultOn(store, limits.graceMs ?? GRACE_MS, now);
  return { vault, nodes: [vault], stores: [store], store, clock };
}

let tenants = 0;

/** Nodes of a tenant nobody had before, one on each link. */
export function buildOnRedis(config: RedisConfig, links: readonly RedisLink[], limits: Limits = {}): Built {
  const clock = { now: START };
  const now = (): number => clock.now;
  const tenant = limits.tenant ?? `t${(tenants += 1)}`;
  const keyring = new SealKeyring(config.sealKeys);
  const stores = links.map((link) => new RedisStore({ ...storeLimits(limits, now), link, prefix: config.prefix, tenant, keyring, ...(limits.doubtEveryMs === undefined ? {} : { doubtEveryMs: limits.doubtEveryMs }) }));
  const nodes = stores.map((store) => vaultOn(store, limits.graceMs ?? GRACE_MS, now));
  return { nodes, stores, vault: nodes[0]!, clock };
}

/** Links that are ready; close them all. They are patient, since the machine may be busy, unless limits are what is tested. */
export async function openLinks(config: RedisConfig, count: number, log = pino({ level: 'silent' }), limits: LinkLimits = { workWithinMs: 10_000 }): Promise<RedisLink[]> {
  const links = Array.from({ length: count }, () => connectRedis(config, log, limits));
  for (const link of links) await until(() => link.ready, 'Redis to be reachable', 15_000);
  return links;
}

export async function closeAll(things: { close(): Promise<void> }[]): Promise<void> {
  for (const thing of things.splice(0)) await thing.close();
}
