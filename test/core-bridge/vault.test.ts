import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Secret } from '../../config/index.js';
import type { VerifiedResult } from '../../core-bridge/results/verified-result.js';
import { MemoryStore } from '../../core-bridge/vault/memory-store.js';
import { seal, unseal, newSealKey } from '../../core-bridge/vault/seal.js';
import { SealedVault } from '../../core-bridge/vault/sealed-vault.js';
import { VaultError, type CreatedSession, type Identity } from '../../core-bridge/vault/vault.js';

const LIFETIME_MS = 900_000;
const GRACE_MS = 60_000;
const MAX_HOLD_MS = 3_600_000;
const START = Date.UTC(2026, 0, 15);

const open: SealedVault[] = [];
afterEach(async () => {
  for (const vault of open.splice(0)) await vault.close();
});

function build(limits: { maxLive?: number; graceMs?: number } = {}) {
  const clock = { now: START };
  const now = (): number => clock.now;
  const store = new MemoryStore({ maxLive: limits.maxLive ?? 1_000, maxHoldMs: MAX_HOLD_MS, sweepEveryMs: 3_600_000, now });
  const vault = new SealedVault(store, { codeDigits: 10, codeLifetimeMs: LIFETIME_MS, reclaimGraceMs: limits.graceMs ?? GRACE_MS, hashKey: new Secret('k'.repeat(32)), now });
  open.push(vault);
  return { vault, store, clock };
}

const success = (name: string): VerifiedResult => ({ status: 'success', attributes: { name }, authMethod: 'digid', verifiedAt: new Date(START), sessionUrl: 'https://plugin.example/s' });
const failed: VerifiedResult = { status: 'failed', authMethod: 'digid', verifiedAt: new Date(START) };
const errorCode = (work: Promise<unknown>): Promise<string> => work.then(() => 'done', (error: unknown) => (error instanceof VaultError ? error.code : String(error)));
const session = { purpose: 'report_move', expectsResult: true };

describe('a session', () => {
  it('goes from creation over claim and reveal to purge', async () => {
    const { vault } = build();
    const created = await vault.create(session);
    expect(created.code).toMatch(/^[1-9]\d{9}$/);
    expect(created.expiresAt.getTime()).toBe(START + LIFETIME_MS);
    expect(await vault.deliver(created.attrToken, success('Willeke'))).toBe('accepted');
    expect(await vault.claim(created.code, 'call-1')).toEqual({ ok: true, sessionId: created.sessionId, purpose: 'report_move', identity: 'verified' });
    expect(await vault.reveal(created.sessionId, 'call-1')).toEqual({ purpose: 'report_move', attributes: { name: 'Willeke' }, authMethod: 'digid', verifiedAt: new Date(START) });
    expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
    await vault.purge(created.sessionId, 'call-1');
    expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
    expect(await errorCode(vault.reveal(created.sessionId, 'call-1'))).toBe('not_claimed');
    expect(await vault.claim(created.code, 'call-1')).toEqual({ ok: false });
    expect(await vault.deliver(created.attrToken, success('Other'))).toBe('unknown');
  });

  it.each<[boolean, VerifiedResult | null, Identity]>([
    [true, null, 'awaiting'],
    [false, null, 'unauthenticated'],
    [true, failed, 'failed'],
    [true, success('W'), 'verified'],
  ])('expecting a result: %s, given %j: %s', async (expectsResult, result, identity) => {
    const { vault } = build();
    const { code, sessionId, attrToken } = await vault.create({ purpose: 'p', expectsResult });
    if (result) await vault.deliver(attrToken, result);
    expect(await vault.claim(code, 'c')).toMatchObject({ identity });
    expect(await vault.identity(sessionId, 'c')).toBe(identity);
    if (identity !== 'verified') expect(await errorCode(vault.reveal(sessionId, 'c'))).toBe('not_verified');
  });

  it('takes its first result only', async () => {
    const { vault } = build();
    const { code, sessionId, attrToken } = await vault.create(session);
    expect(await vault.awaits(attrToken)).toBe(true);
    expect(await vault.deliver(attrToken, success('First'))).toBe('accepted');
    expect(await vault.deliver(attrToken, success('Second'))).toBe('duplicate');
    expect(await vault.deliver(attrToken, failed)).toBe('duplicate');
    expect(await vault.awaits(attrToken)).toBe(false);
    await vault.claim(code, 'c');
    expect((await vault.reveal(sessionId, 'c')).attributes).toEqual({ name: 'First' });
  });

  it('that expects no result takes none', async () => {
    const { vault } = build();
    const { attrToken } = await vault.create({ purpose: 'p', expectsResult: false });
    expect(await vault.awaits(attrToken)).toBe(false);
    expect(await vault.deliver(attrToken, success('W'))).toBe('unknown');
  });

  it('of two results at one time one is taken', async () => {
    const { vault } = build();
    const { attrToken } = await vault.create(session);
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, i) => vault.deliver(attrToken, success(String(i)))));
    expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(1);
  });

  it('can be claimed until its last moment, and not at its end', async () => {
    const { vault, clock } = build();
    const a = await vault.create(session);
    const b = await vault.create(session);
    clock.now = START + LIFETIME_MS - 1;
    expect(await vault.claim(a.code, 'a')).toMatchObject({ ok: true });
    clock.now = START + LIFETIME_MS;
    expect(await vault.claim(b.code, 'b')).toEqual({ ok: false });
    expect(await vault.deliver(b.attrToken, success('late'))).toBe('unknown');
    // A claimed one lives on: the citizen is waiting in the queue.
    expect(await vault.deliver(a.attrToken, success('in time'))).toBe('accepted');
    expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
  });

  it('unknown, expired, used and malformed codes look the same', async () => {
    const { vault, clock } = build();
    const expired = await vault.create(session);
    clock.now += LIFETIME_MS;
    const used = await vault.create(session);
    await vault.claim(used.code, 'first');
    const tries = ['0000000000', '', 'abc', '1'.repeat(1_000), expired.code, used.code, ` ${used.code}`];
    for (const code of tries) expect(await vault.claim(code, 'second')).toEqual({ ok: false });
  });

  it('belongs to the call that claimed it', async () => {
    const { vault } = build();
    const { code, sessionId, attrToken } = await vault.create(session);
    await vault.deliver(attrToken, success('Willeke'));
    expect(await errorCode(vault.reveal(sessionId, 'nobody'))).toBe('not_claimed');
    await vault.claim(code, 'mine');
    expect(await errorCode(vault.reveal(sessionId, 'other'))).toBe('not_claimed');
    expect(await errorCode(vault.identity(sessionId, 'other'))).toBe('not_claimed');
    await vault.letGo(sessionId, 'other');
    await vault.purge(sessionId, 'other');
    expect((await vault.reveal(sessionId, 'mine')).attributes).toEqual({ name: 'Willeke' });
    // Asking again is no second use: an answer may have been lost on the way.
    expect(await vault.claim(code, 'mine')).toMatchObject({ ok: true });
  });

  it('let go, can be claimed again within the grace only', async () => {
    const { vault, clock } = build();
    const { code, sessionId } = await vault.create(session);
    await vault.claim(code, 'first');
    await vault.letGo(sessionId, 'first');
    expect(await errorCode(vault.identity(sessionId, 'first'))).toBe('not_claimed');
    expect(await vault.stats()).toEqual({ live: 1, claimed: 0 });
    clock.now += GRACE_MS - 1;
    expect(await vault.claim(code, 'second')).toMatchObject({ ok: true, sessionId });
    await vault.purge(sessionId, 'first');
    expect(await vault.identity(sessionId, 'second')).toBe('awaiting');
    await vault.letGo(sessionId, 'second');
    clock.now += GRACE_MS;
    expect(await vault.claim(code, 'third')).toEqual({ ok: false });
    expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
  });

  it('is gone at once where no grace is given', async () => {
    const { vault } = build({ graceMs: 0 });
    const { code, sessionId } = await vault.create(session);
    await vault.claim(code, 'first');
    await vault.letGo(sessionId, 'first');
    expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
    expect(await vault.claim(code, 'first')).toEqual({ ok: false });
  });

  it('whose call forgot it is dropped all the same', async () => {
    const { vault, clock } = build();
    const { code } = await vault.create(session);
    await vault.claim(code, 'c');
    clock.now += MAX_HOLD_MS;
    expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
  });
});

describe('listeners', () => {
  it('hear of a result once, and of nothing after unsubscribing or the end', async () => {
    const { vault } = build();
    const [a, b, c] = await Promise.all([vault.create(session), vault.create(session), vault.create(session)]);
    const heard: string[] = [];
    vault.onDelivered(a.sessionId, () => heard.push('a'));
    const stop = vault.onDelivered(b.sessionId, () => heard.push('b'));
    stop();
    stop();
    vault.onDelivered(c.sessionId, () => heard.push('c'));
    await vault.claim(c.code, 'call');
    await vault.purge(c.sessionId, 'call');
    for (const each of [a, a, b, c]) await vault.deliver(each.attrToken, success('x'));
    await vi.waitFor(() => expect(heard).toEqual(['a']));
  });

  it('hear nothing once they unsubscribed, even when the result was under way', async () => {
    const { vault } = build();
    const { sessionId, attrToken } = await vault.create(session);
    let heard = false;
    const stop = vault.onDelivered(sessionId, () => (heard = true));
    const delivered = vault.deliver(attrToken, success('x'));
    await delivered;
    stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toBe(false);
  });
});

describe('limits', () => {
  it('no more sessions than allowed, and room again once some expired', async () => {
    const { vault, clock } = build({ maxLive: 3 });
    for (let i = 0; i < 3; i += 1) await vault.create(session);
    expect(await errorCode(vault.create(session))).toBe('vault_full');
    clock.now += LIFETIME_MS;
    expect(await errorCode(vault.create(session))).toBe('done');
    expect(await vault.stats()).toEqual({ live: 1, claimed: 0 });
  });

  it('the sweep frees what expired and keeps what did not', async () => {
    const { vault, store, clock } = build();
    const early = await vault.create(session);
    const claimed = await vault.create(session);
    await vault.claim(claimed.code, 'c');
    clock.now += LIFETIME_MS / 2;
    const late = await vault.create(session);
    clock.now += LIFETIME_MS / 2;
    const gone: string[] = [];
    store.onGone((id) => gone.push(id));
    store.sweep();
    expect(gone).toEqual([early.sessionId]);
    expect(await vault.claim(late.code, 'd')).toMatchObject({ ok: true });
  });

  it('a closed vault answers nothing', async () => {
    const { vault } = build();
    const { code } = await vault.create(session);
    await vault.close();
    await vault.close();
    expect(await errorCode(vault.claim(code, 'c'))).toBe('vault_closed');
    expect(await errorCode(vault.create(session))).toBe('vault_closed');
  });
});

describe('at rest', () => {
  it('no code, token or attribute stands in the store, and the key is overwritten at the end', async () => {
    const { vault, store } = build();
    const created = await vault.create(session);
    await vault.deliver(created.attrToken, success('Willeke de Bruijn'));
    await vault.claim(created.code, 'c');
    const stored = await store.held(created.sessionId, 'c');
    if (stored?.result?.status !== 'success') throw new Error('expected a result');
    const dump = JSON.stringify(stored, (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value)) + stored.result.sealed.toString('latin1');
    for (const clear of [created.code, created.attrToken, 'Willeke', 'plugin.example', 'name']) expect(dump).not.toContain(clear);
    const { sealKey } = stored;
    const { sealed } = stored.result;
    await vault.purge(created.sessionId, 'c');
    expect(sealKey.every((byte) => byte === 0)).toBe(true);
    expect(sealed.every((byte) => byte === 0)).toBe(true);
  });

  it('a seal opens with its key and context alone', () => {
    const key = newSealKey();
    const sealed = seal(Buffer.from('secret'), key, 'session-1');
    expect(unseal(sealed, key, 'session-1').toString()).toBe('secret');
    expect(seal(Buffer.from('secret'), key, 'session-1').equals(sealed)).toBe(false);
    const flipped = Buffer.from(sealed);
    flipped[14]! ^= 1;
    for (const [bytes, by, context] of [[sealed, newSealKey(), 'session-1'], [sealed, key, 'session-2'], [flipped, key, 'session-1'], [sealed.subarray(0, -1), key, 'session-1'], [Buffer.alloc(5), key, 'session-1']] as const) {
      expect(() => unseal(bytes, by, context)).toThrow(VaultError);
    }
  });
});

describe('whatever the order of events', () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('create' as const), expectsResult: fc.boolean() }),
    fc.record({ kind: fc.constantFrom('deliver' as const, 'claim' as const, 'letGo' as const, 'purge' as const, 'reveal' as const), which: fc.nat(4), call: fc.nat(3), ok: fc.boolean() }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1_000, GRACE_MS, LIFETIME_MS / 2, LIFETIME_MS) }),
  );

  /** What the vault should know of a session, told in the plainest way. */
  interface Model {
    created: CreatedSession;
    name: string;
    expectsResult: boolean;
    result: 'none' | 'success' | 'failed';
    holder: string | undefined;
    lastHolder: string | undefined;
    endsAt: number;
    gone: boolean;
  }

  it('the vault does what its description says: one claim at a time, nothing after the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const { vault, clock } = build();
        const models: Model[] = [];
        const alive = (model: Model): boolean => !model.gone && clock.now < model.endsAt;
        for (const step of actions) {
          if (step.kind === 'create') {
            const created = await vault.create({ purpose: 'p', expectsResult: step.expectsResult });
            models.push({ created, name: `citizen ${models.length}`, expectsResult: step.expectsResult, result: 'none', holder: undefined, lastHolder: undefined, endsAt: clock.now + LIFETIME_MS, gone: false });
            continue;
          }
          if (step.kind === 'pass') {
            clock.now += step.ms;
            continue;
          }
          const model = models[step.which % Math.max(models.length, 1)];
          if (!model) continue;
          const { sessionId, code, attrToken } = model.created;
          const call = `call-${step.call}`;
          const holds = alive(model) && model.holder === call;
          if (step.kind === 'deliver') {
            const expected = !alive(model) || !model.expectsResult ? 'unknown' : model.result !== 'none' ? 'duplicate' : 'accepted';
            expect(await vault.deliver(attrToken, step.ok ? success(model.name) : failed)).toBe(expected);
            if (expected === 'accepted') model.result = step.ok ? 'success' : 'failed';
          } else if (step.kind === 'claim') {
            const expected = alive(model) && (model.holder === undefined || model.holder === call);
            expect((await vault.claim(code, call)).ok).toBe(expected);
            if (expected && model.holder === undefined) Object.assign(model, { holder: call, lastHolder: call, endsAt: clock.now + MAX_HOLD_MS });
          } else if (step.kind === 'reveal') {
            const outcome = await vault.reveal(sessionId, call).then((identity) => identity.attributes['name'], (error: unknown) => (error as VaultError).code);
            expect(outcome).toBe(!holds ? 'not_claimed' : model.result === 'success' ? model.name : 'not_verified');
          } else if (step.kind === 'letGo') {
            await vault.letGo(sessionId, call);
            if (holds) Object.assign(model, { holder: undefined, endsAt: clock.now + GRACE_MS });
          } else {
            await vault.purge(sessionId, call);
            if (model.lastHolder === call) model.gone = true;
          }
          const live = models.filter(alive);
          expect(await vault.stats()).toEqual({ live: live.length, claimed: live.filter((each) => each.holder !== undefined).length });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('of many calls with one code at one time exactly one gets it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 20 }), fc.boolean(), async (calls, released) => {
        const { vault } = build();
        const { code, sessionId } = await vault.create(session);
        if (released) {
          await vault.claim(code, 'earlier');
          await vault.letGo(sessionId, 'earlier');
        }
        const claims = await Promise.all(Array.from({ length: calls }, (_, i) => vault.claim(code, `call-${i}`)));
        expect(claims.filter((claim) => claim.ok)).toHaveLength(1);
      }),
      { numRuns: 50 },
    );
  });
});

it('a claim takes no longer among many sessions than among few', async () => {
  const measure = async (live: number): Promise<number> => {
    const { vault } = build({ maxLive: 100_000 });
    const codes: string[] = [];
    for (let i = 0; i < live; i += 1) codes.push((await vault.create(session)).code);
    const times: number[] = [];
    for (let i = 0; i < 500; i += 1) {
      const code = codes[Math.floor((i * live) / 500)] ?? '';
      const before = process.hrtime.bigint();
      await vault.claim(code, `c${i}`);
      times.push(Number(process.hrtime.bigint() - before));
    }
    return times.sort((a, b) => a - b)[250] ?? 0;
  };
  await measure(600);
  const few = await measure(600);
  const many = await measure(30_000);
  // Generous, for a busy machine: a scan would be fifty times slower.
  expect(many / few).toBeLessThan(8);
});
