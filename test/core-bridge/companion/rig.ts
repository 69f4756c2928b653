import { createHash, randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { Secret } from '../../../config/secret.js';
import { companionPages, type CompanionPagesOptions, type CompanionTenant } from '../../../core-bridge/companion/index.js';
import { MemoryBoards } from '../../../core-bridge/progress/memory-boards.js';
import type { ProgressEntry, ProgressStep } from '../../../core-bridge/progress/progress.js';
import { createVault } from '../../../core-bridge/vault/index.js';
import { VaultError, type SessionVault } from '../../../core-bridge/vault/vault.js';
import { words } from '../../../ivr/prompts/words.js';
import { keepingLog } from '../fixtures.js';

export { words };

/** A Tuesday afternoon in November, in Amsterdam 14:20. */
export const AFTERNOON = Date.UTC(2026, 10, 24, 13, 20, 0);

/** Real boards that can tell how many watch them, and be out of reach. */
class WatchedBoards extends MemoryBoards {
  watching = 0;
  unreachable = false;

  override read(board: string): Promise<readonly ProgressEntry[]> {
    return this.unreachable ? Promise.reject(new VaultError('store_unreachable')) : super.read(board);
  }

  override watch(board: string, listener: () => void): () => void {
    this.watching += 1;
    const unwatch = super.watch(board, listener);
    return () => {
      this.watching -= 1;
      unwatch();
    };
  }
}

export interface TestTenant extends CompanionTenant {
  readonly vault: SessionVault;
  readonly boards: WatchedBoards;
}

export interface Rig {
  readonly app: FastifyInstance;
  readonly base: string;
  readonly tenants: readonly TestTenant[];
  readonly tenant: TestTenant;
  readonly lines: string[];
  /** ms since 1970; to be moved. */
  clock: { now: number };
  close(): Promise<void>;
}

/** A public listener with citizens' pages on real vaults, and a clock that stands still. */
export async function startRig(options: Partial<CompanionPagesOptions> = {}, names: readonly string[] = ['Gemeente Zutphen'], digits = 10): Promise<Rig> {
  const clock = { now: AFTERNOON };
  const now = (): number => clock.now;
  const { log, lines } = keepingLog();
  const tenants = names.map((displayName): TestTenant => ({
    displayName, phoneNumber: '+31201234567', phoneNumberShown: '+31 20 123 4567', languageOf: (purpose) => (purpose === 'request_passport' ? 'en' : 'nl'), boards: new WatchedBoards({ now }),
    vault: createVault({
      codes: { digits, lifetimeSeconds: 900, longestLifetimeSeconds: 3_600, hashKey: new Secret(randomBytes(32).toString('hex')) },
      sessions: { reclaimGraceSeconds: 60, maxLive: 100 }, calls: { maxWaitMs: 600_000 }, now,
    }),
  }));
  const app = Fastify({ loggerInstance: log, forceCloseConnections: true }) as unknown as FastifyInstance;
  await app.register(companionPages({ tenants, words, secure: false, log, now, ...options }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const [tenant] = tenants;
  if (!tenant) throw new Error('a rig needs a tenant');
  return {
    app, base: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, tenants, tenant, lines, clock,
    close: async () => {
      await app.close();
      await Promise.all(tenants.flatMap(({ vault, boards }) => [vault.close(), boards.close()]));
    },
  };
}

export const boardOf = (pageToken: string): string => createHash('sha256').update(pageToken).digest('base64url');

/** A citizen's session, and what happens to it, as gateway and core listener would make it happen. */
export async function startSession({ tenant, base, clock }: Rig, purpose = 'report_move', authentication: 'expected' | 'none' = 'expected') {
  const session = await tenant.vault.create({ purpose, authentication });
  const board = boardOf(session.pageToken);
  const post = (...steps: ProgressStep[]): void => steps.forEach((step) => tenant.boards.post(board, step));
  return {
    ...session, board, url: `${base}/c/${session.pageToken}`, post,
    authenticate: (status: 'success' | 'failed' = 'success') => deliver(tenant, session.attrToken, board, status, clock.now),
    claim: async (callId = 'call-1') => {
      const claim = await tenant.vault.claim(session.code, callId);
      if (!claim.ok) throw new Error('not claimed');
      post({ step: 'callSeen' }, { step: 'codeAccepted' });
      return claim;
    },
  };
}

/** A session for a caller on the line. */
export async function startSessionForCall({ tenant, base, clock }: Rig, callId = 'call-1') {
  const session = await tenant.vault.createForCall({ purpose: 'report_move', callId });
  const post = (...steps: ProgressStep[]): void => steps.forEach((step) => tenant.boards.post(session.board, step));
  return { ...session, url: `${base}/c/${session.pageToken}`, post, authenticate: (status: 'success' | 'failed' = 'success') => deliver(tenant, session.attrToken, session.board, status, clock.now) };
}

async function deliver(tenant: TestTenant, attrToken: string, board: string, status: 'success' | 'failed', now: number): Promise<void> {
  const by = { authMethod: 'yivi', verifiedAt: new Date(now) };
  await tenant.vault.deliver(attrToken, status === 'success' ? { status, attributes: { fullname: 'Willeke de Bruijn' }, ...by } : { status, ...by });
  tenant.boards.post(board, { step: status === 'success' ? 'authenticated' : 'authenticationFailed' });
}
