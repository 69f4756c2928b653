/** Everything that one municipality has of its own while the gateway runs. Nothing in it is shared with another one. */
import type { Logger } from 'pino';
import {
  createBoards, createGuessGuard, createIdentification, createVault, HttpFeedback, KeyRing,
  type AttemptOutcome, type CallIdentification, type GuessGuard, type ProgressBoards, type RedisLink, type SessionFeedback, type SessionVault,
} from '../core-bridge/index.js';
import type { AgentConfig, Config, Tenant } from '../config/index.js';
import { Directory } from './call/directory.js';
import { longestPromiseMs } from './call/promise.js';
import { createPromises, type PromiseStore } from './call/promises/index.js';
import { createDesk, longestWaitMs, openingAt, type Desk } from './desk/index.js';
import type { Metrics } from './ops/metrics.js';

export interface TenantRoom {
  /** As it is now: people and opening hours may be others than at the start. */
  readonly config: Tenant;
  readonly keys: KeyRing;
  readonly vault: SessionVault;
  readonly boards: ProgressBoards;
  readonly guard: GuessGuard;
  /** For the codes that connect a browser with a call: neither guard slows the other down. */
  readonly pairingGuard: GuessGuard;
  readonly feedback: SessionFeedback;
  readonly identification: CallIdentification;
  readonly desk: Desk;
  readonly directory: Directory;
  /** Promises to call back. */
  readonly promises: PromiseStore;
  /** Who takes calls under this name; undefined when there is no such agent (any more). */
  agent(name: string): AgentConfig | undefined;
  /** Whether this service takes calls now. */
  isOpen(service: Pick<Tenant['services'][number], 'name'>): boolean;
  /** Takes over keys, people and opening hours, and nothing else. The desk has to be told of the people. */
  renew(fresh: Tenant): void;
  /** Ends all of it but the desk, which ends with the calls. */
  close(): Promise<void>;
}

export interface TenantSurroundings {
  readonly config: Pick<Config, 'calls' | 'store'>;
  /** Name of this node, as other nodes know it. */
  readonly node: string;
  /** Present when sessions are kept in Redis. */
  readonly link: RedisLink | undefined;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly coreUrl: () => string;
  readonly publicUrl: () => string;
  /** The demo core's address, known when the public listener is bound. */
  readonly demoCoreUrl: (() => string) | undefined;
}

/** Wrong pairing codes before tries take turns, and the pace of the turns. */
const pairingGuesses = { freePerTrunk: 100, freeInTotal: 100, paceSeconds: 10 };

export function openTenant(tenant: Tenant, { config, node, link, metrics, log: parent, coreUrl, publicUrl, demoCoreUrl }: TenantSurroundings): TenantRoom {
  const { codes, sessions } = tenant;
  const log = parent.child({ tenant: tenant.name });
  const redis = link && config.store.kind === 'redis' ? { link, tenant: tenant.name, prefix: config.store.prefix, sealKeys: config.store.sealKeys } : undefined;
  const maxWaitMs = Math.max(...tenant.services.map((service) => longestWaitMs(service, config.calls)));
  const guarding = {
    longestHoldMs: maxWaitMs,
    log,
    ...(redis && { redis }),
    onAlarm: () => metrics.guessAlarm(tenant.name),
    onAttempt: (outcome: AttemptOutcome | 'gaveUp') => metrics.guessSettled(tenant.name, outcome),
  };
  const guard = createGuessGuard({ ...guarding, tenant, guards: 'codes' });
  const { pairingDigits: digits } = tenant.identify;
  const pairingGuard = createGuessGuard({
    ...guarding,
    // A lucky one tells nothing about the caller and waits for a word to be compared: a faster pace costs little.
    tenant: { ...tenant, codes: { ...codes, digits, maxDigits: digits, guesses: { ...codes.guesses, ...pairingGuesses } } },
    guards: 'pairing',
    log: log.child({ guards: 'pairing' }),
    onAlarm: () => undefined,
    onAttempt: (outcome) => metrics.pairingSettled(tenant.name, outcome),
  });
  const vault = createVault({ codes, sessions, calls: { maxWaitMs: tenant.services.some(({ queue }) => queue.callback) ? Math.max(maxWaitMs, longestPromiseMs) : maxWaitMs }, nextLength: (live) => guard.nextLength(live), ...(redis && { redis }) });
  const boards = createBoards(redis && { redis });
  const feedback = new HttpFeedback({ everyMs: tenant.feedback.everySeconds * 1_000, attempts: tenant.feedback.attempts, timeoutMs: tenant.feedback.timeoutMs, log, onOutcome: (outcome) => metrics.feedbackSent(outcome) });
  const identification = createIdentification({
    tenant, vault, publicUrl, log,
    ...(redis && { redis }),
    maxOpen: config.calls.maxCalls,
    resultsUrl: coreUrl,
    ...(demoCoreUrl && { coreUrl: demoCoreUrl }),
  });
  const keys = new KeyRing(tenant.idContact);
  const desk = createDesk(tenant, { node, redis, log: log.child({ room: 'desk' }) });
  let current = tenant;
  let directory = new Directory(current);
  let agents = byName(current.agents);
  let services = byName(current.services);
  return {
    get config() {
      return current;
    },
    get directory() {
      return directory;
    },
    keys, vault, boards, guard, pairingGuard, feedback, identification, desk,
    promises: createPromises({ redis, log }),
    agent: (name) => agents.get(name),
    isOpen: ({ name }) => openingAt(services.get(name)?.queue.hours, new Date()).open,
    renew: (fresh) => {
      keys.replace(fresh.idContact);
      current = renewed(current, fresh);
      directory = new Directory(current);
      agents = byName(current.agents);
      services = byName(current.services);
    },
    close: async () => {
      await identification.close();
      await feedback.close();
      await Promise.all([guard.close(), pairingGuard.close()]);
      await vault.close();
      await boards.close();
    },
  };
}

/** The tenant with keys, people and opening hours of a fresh configuration. */
function renewed(before: Tenant, { accounts, agents, services, idContact: { decryptionKeys, verificationKeys, coreTokens } }: Tenant): Tenant {
  const fresh = byName(services);
  return {
    ...before, accounts, agents,
    idContact: { ...before.idContact, decryptionKeys, verificationKeys, coreTokens },
    services: before.services.map((service) => {
      const { hours: _replaced, ...queue } = service.queue;
      const { hours } = (fresh.get(service.name) ?? service).queue;
      return { ...service, queue: { ...queue, ...(hours && { hours }) } };
    }),
  };
}

const byName = <T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, T> => new Map(all.map((one) => [one.name, one]));
