import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RedisLink } from '../../core-bridge/redis/connect.js';
import type { VerifiedResult } from '../../core-bridge/results/verified-result.js';
import { newSealKey, seal, unseal } from '../../core-bridge/vault/seal.js';
import type { SealedVault } from '../../core-bridge/vault/sealed-vault.js';
import { VaultError, type Identity } from '../../core-bridge/vault/vault.js';
import { startTopology, type Topology } from './stores/topologies.js';
import { buildInMemory, buildOnRedis, closeAll, errorCode, failed, GRACE_MS, LIFETIME_MS, LONGEST_MS, MAX_HOLD_MS, openLinks, session, START, success, type Built, type Limits } from './stores/vaults.js';

const open: SealedVault[] = [];
let redis: Topology;
let links: RedisLink[];
beforeAll(async () => {
  redis = await startTopology('single');
  links = await openLinks(redis.config, 2);
});
afterEach(() => closeAll(open));
afterAll(async () => {
  await closeAll(links);
  await redis.stop();
});

function kept<T extends Built>(built: T): T {
  open.push(...built.nodes);
  return built;
}

const stores = [
  { name: 'in memory', build: (limits?: Limits): Built => kept(buildInMemory(limits)), interleavings: 300, races: 30 },
  { name: 'in Redis, from two nodes', build: (limits?: Limits): Built => kept(buildOnRedis(redis.config, links, limits)), interleavings: 60, races: 15 },
];

describe.each(stores)('sessions $name', ({ build, interleavings, races }) => {
  describe('a session', () => {
    it('goes from creation over claim and reveal to purge', async () => {
      const { vault } = build();
      const created = await vault.create(session);
      expect(created.code).toMatch(/^[1-9]\d{9}$/);
      expect(created.expiresAt.getTime()).toBe(START + LIFETIME_MS);
      expect(await vault.deliver(created.attrToken, success('Willeke'))).toBe('accepted');
      const page = await vault.onPage(created.pageToken);
      expect(page).toMatchObject({ purpose: 'report_move', code: created.code, identity: 'verified', claimed: false, expiresAt: created.expiresAt, extendableUntil: new Date(START + LONGEST_MS) });
      const claim = await vault.claim(created.code, 'call-1');
      expect(claim).toEqual({ ok: true, sessionId: created.sessionId, purpose: 'report_move', identity: 'verified', board: page?.board, word: page?.word });
      expect(page?.word).toBeGreaterThanOrEqual(0);
      expect(page?.word).toBeLessThan(64);
      expect((await vault.onPage(created.pageToken))?.claimed).toBe(true);
      expect(await vault.reveal(created.sessionId, 'call-1')).toEqual({ purpose: 'report_move', attributes: { name: 'Willeke' }, authMethod: 'digid', verifiedAt: new Date(START) });
      expect(await vault.sessionUrl(created.sessionId, 'call-1')).toBe('https://plugin.example/s/Willeke');
      expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
      await vault.purge(created.sessionId, 'call-1');
      expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
      expect(await errorCode(vault.reveal(created.sessionId, 'call-1'))).toBe('not_claimed');
      expect(await vault.onPage(created.pageToken)).toBeUndefined();
      expect(await vault.claim(created.code, 'call-1')).toEqual({ ok: false, reason: 'used' });
      expect(await vault.deliver(created.attrToken, success('Other'))).toBe('unknown');
    });

    it.each<['expected' | 'none', VerifiedResult | null, Identity]>([
      ['expected', null, 'awaiting'],
      ['none', null, 'unauthenticated'],
      ['expected', failed, 'failed'],
      ['expected', success('W'), 'verified'],
      ['none', success('W'), 'verified'],
    ])('authentication %s, given %j: %s', async (authentication, result, identity) => {
      const { vault } = build();
      const { code, sessionId, attrToken } = await vault.create({ purpose: 'p', authentication });
      expect(await vault.awaits(attrToken)).toBe(true);
      if (result) expect(await vault.deliver(attrToken, result)).toBe('accepted');
      expect(await vault.claim(code, 'c')).toMatchObject({ identity });
      expect(await vault.identity(sessionId, 'c')).toBe(identity);
      if (identity === 'verified') return;
      expect(await errorCode(vault.reveal(sessionId, 'c'))).toBe('not_verified');
      expect(await vault.sessionUrl(sessionId, 'c')).toBeUndefined();
    });

    it('takes its first result only', async () => {
      const { vault } = build();
      const { code, sessionId, attrToken } = await vault.create(session);
      expect(await vault.deliver(attrToken, success('First'))).toBe('accepted');
      expect(await vault.deliver(attrToken, success('Second'))).toBe('duplicate');
      expect(await vault.deliver(attrToken, failed)).toBe('duplicate');
      expect(await vault.awaits(attrToken)).toBe(false);
      await vault.claim(code, 'c');
      expect((await vault.reveal(sessionId, 'c')).attributes).toEqual({ name: 'First' });
    });

    it('of many results at one time takes one', async () => {
      const { vault, nodes } = build();
      const { attrToken } = await vault.create(session);
      const outcomes = await Promise.all(Array.from({ length: 10 }, (_, i) => nodes[i % nodes.length]!.deliver(attrToken, success(String(i)))));
      expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(9);
    });

    it('can be claimed until its last moment, and not at its end', async () => {
      const { vault, clock } = build();
      const a = await vault.create(session);
      const b = await vault.create(session);
      clock.now = START + LIFETIME_MS - 1;
      expect(await vault.claim(a.code, 'a')).toMatchObject({ ok: true });
      clock.now = START + LIFETIME_MS;
      expect(await vault.claim(b.code, 'b')).toEqual({ ok: false, reason: 'used' });
      expect(await vault.onPage(b.pageToken)).toBeUndefined();
      expect(await vault.deliver(b.attrToken, success('late'))).toBe('unknown');
      // A claimed one lives on: the citizen is waiting in the queue.
      expect(await vault.deliver(a.attrToken, success('in time'))).toBe('accepted');
      expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
    });

    it('tells apart, for limits and logs, what was never a code and what was used', async () => {
      const { vault, nodes } = build();
      const used = await vault.create(session);
      const claim = await vault.claim(used.code, 'first');
      for (const code of ['0000000000', '', 'abc', '1'.repeat(1_000), ` ${used.code}`]) expect(await vault.claim(code, 'second')).toEqual({ ok: false, reason: 'unknown' });
      expect(await nodes.at(-1)!.claim(used.code, 'second')).toEqual({ ok: false, reason: 'used', board: claim.ok && claim.board });
    });

    it('belongs to the call that claimed it', async () => {
      const { vault } = build();
      const { code, sessionId, attrToken } = await vault.create(session);
      await vault.deliver(attrToken, success('Willeke'));
      expect(await errorCode(vault.reveal(sessionId, 'nobody'))).toBe('not_claimed');
      await vault.claim(code, 'mine');
      for (const work of [vault.reveal(sessionId, 'other'), vault.identity(sessionId, 'other'), vault.sessionUrl(sessionId, 'other')]) expect(await errorCode(work)).toBe('not_claimed');
      await vault.letGo(sessionId, 'other');
      await vault.purge(sessionId, 'other');
      expect((await vault.reveal(sessionId, 'mine')).attributes).toEqual({ name: 'Willeke' });
      // Asking again is no second use: an answer may have been lost on the way.
      expect(await vault.claim(code, 'mine')).toMatchObject({ ok: true });
      expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
    });

    it('is taken over by another call from one of those named, which then holds it no more', async () => {
      const { vault, nodes } = build();
      const there = nodes.at(-1)!;
      const { code, sessionId, attrToken, pageToken } = await vault.create(session);
      await vault.deliver(attrToken, success('Willeke'));
      expect(await there.takeOver(sessionId, ['first'], 'second')).toBeUndefined();
      await vault.claim(code, 'first');
      expect(await there.takeOver(sessionId, ['somebody else'], 'second')).toBeUndefined();
      const page = await vault.onPage(pageToken);
      const taken = { purpose: 'report_move', identity: 'verified', board: page?.board, word: page?.word };
      expect(await there.takeOver(sessionId, ['nobody', 'first'], 'second')).toEqual(taken);
      // An answer may have been lost on the way.
      expect(await there.takeOver(sessionId, ['nobody', 'first'], 'second')).toEqual(taken);
      // The one before can neither see it nor end it.
      expect(await errorCode(vault.reveal(sessionId, 'first'))).toBe('not_claimed');
      await vault.letGo(sessionId, 'first');
      await vault.purge(sessionId, 'first');
      expect(await vault.claim(code, 'first')).toMatchObject({ ok: false, reason: 'used' });
      expect((await there.reveal(sessionId, 'second')).attributes).toEqual({ name: 'Willeke' });
      expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
      await there.purge(sessionId, 'second');
      expect(await there.takeOver(sessionId, ['second'], 'third')).toBeUndefined();
      expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
    });

    it('of any number of nodes that take it over, one gets it', async () => {
      const { nodes, vault } = build();
      const { code, sessionId } = await vault.create(session);
      await vault.claim(code, 'first');
      const taken = await Promise.all(Array.from({ length: 10 }, (_, i) => nodes[i % nodes.length]!.takeOver(sessionId, ['first'], `heir ${i}`)));
      expect(taken.filter((one) => one !== undefined)).toHaveLength(1);
    });

    it('let go, can be claimed again within the grace only', async () => {
      const { vault, clock } = build();
      const { code, sessionId, pageToken } = await vault.create(session);
      await vault.claim(code, 'first');
      await vault.letGo(sessionId, 'first');
      expect(await errorCode(vault.identity(sessionId, 'first'))).toBe('not_claimed');
      expect(await vault.stats()).toEqual({ live: 1, claimed: 0 });
      expect(await vault.onPage(pageToken)).toMatchObject({ claimed: false, expiresAt: new Date(START + GRACE_MS) });
      clock.now += GRACE_MS - 1;
      expect(await vault.claim(code, 'second')).toMatchObject({ ok: true, sessionId });
      await vault.purge(sessionId, 'first');
      expect(await vault.identity(sessionId, 'second')).toBe('awaiting');
      await vault.letGo(sessionId, 'second');
      clock.now += GRACE_MS;
      expect(await vault.claim(code, 'third')).toMatchObject({ ok: false });
      expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
    });

    it('is gone at once where no grace is given', async () => {
      const { vault } = build({ graceMs: 0 });
      const { code, sessionId } = await vault.create(session);
      await vault.claim(code, 'first');
      await vault.letGo(sessionId, 'first');
      expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
      expect(await vault.claim(code, 'first')).toMatchObject({ ok: false });
    });

    it('whose call forgot it is dropped all the same', async () => {
      const { vault, clock } = build();
      const { code, sessionId } = await vault.create(session);
      await vault.claim(code, 'c');
      clock.now += MAX_HOLD_MS;
      expect(await errorCode(vault.identity(sessionId, 'c'))).toBe('not_claimed');
      expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
    });

    it('of a call has no code, is held from the start, and gone when its call lets it go', async () => {
      const { vault } = build();
      const made = await vault.createForCall({ purpose: 'report_move', callId: 'call' });
      expect(await vault.stats()).toEqual({ live: 1, claimed: 1 });
      const page = await vault.onPage(made.pageToken);
      expect(page).toMatchObject({ board: made.board, word: made.word, claimed: true, identity: 'awaiting' });
      expect(page && 'code' in page).toBe(false);
      expect(await vault.extend(made.pageToken)).toBeUndefined();
      expect(await vault.deliver(made.attrToken, success('Willeke'))).toBe('accepted');
      expect(await errorCode(vault.reveal(made.sessionId, 'other'))).toBe('not_claimed');
      expect((await vault.reveal(made.sessionId, 'call')).attributes).toEqual({ name: 'Willeke' });
      await vault.letGo(made.sessionId, 'call');
      expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
      expect(await vault.onPage(made.pageToken)).toBeUndefined();
    });

    it('is extended by its page, up to a limit, while nobody holds it', async () => {
      const { vault, nodes, clock } = build();
      const { code, pageToken, expiresAt } = await vault.create(session);
      expect(await vault.extend(pageToken)).toEqual(expiresAt);
      clock.now += LIFETIME_MS - 1_000;
      expect(await nodes.at(-1)!.extend(pageToken)).toEqual(new Date(clock.now + LIFETIME_MS));
      clock.now += LIFETIME_MS - 1_000;
      expect(await vault.extend(pageToken)).toEqual(new Date(START + LONGEST_MS));
      clock.now = START + LONGEST_MS - 1;
      expect(await vault.onPage(pageToken)).toMatchObject({ code, expiresAt: new Date(START + LONGEST_MS) });
      expect(await vault.claim(code, 'c')).toMatchObject({ ok: true });
      expect(await vault.extend(pageToken)).toBeUndefined();
      expect(await vault.extend('no such page')).toBeUndefined();
    });
  });

  it('a code rests after its session ended, and no live one is given twice', async () => {
    const { vault, stores: [store] } = build();
    const { code, sessionId } = await vault.create(session);
    await vault.claim(code, 'c');
    const like = await store!.held(sessionId, 'c');
    const again = () => store!.insert({ ...like!, sealKey: newSealKey(), sessionId: `${sessionId}-2`, tokenHash: 'other', board: 'other' });
    expect(await again()).toBe('taken');
    await vault.purge(sessionId, 'c');
    expect(await again()).toBe('taken');
    expect(await vault.stats()).toEqual({ live: 0, claimed: 0 });
  });

  describe('listeners', () => {
    it('hear of a result once, and of nothing after unsubscribing or the end', async () => {
      const { vault, nodes } = build();
      const [a, b, c] = await Promise.all([vault.create(session), vault.create(session), vault.create(session)]);
      const heard: string[] = [];
      vault.onDelivered(a.sessionId, () => heard.push('a'));
      const stop = vault.onDelivered(b.sessionId, () => heard.push('b'));
      stop();
      stop();
      vault.onDelivered(c.sessionId, () => heard.push('c'));
      await vault.claim(c.code, 'call');
      await vault.purge(c.sessionId, 'call');
      for (const each of [a, a, b, c]) await nodes.at(-1)!.deliver(each.attrToken, success('x'));
      await vi.waitFor(() => expect(heard).toEqual(['a']));
    });

    it('hear nothing once they unsubscribed, even when the result was under way', async () => {
      const { vault } = build();
      const { sessionId, attrToken } = await vault.create(session);
      const heard: string[] = [];
      const stop = vault.onDelivered(sessionId, () => heard.push('unsubscribed'));
      const delivered = vault.deliver(attrToken, success('x'));
      await delivered;
      stop();
      const { sessionId: other, attrToken: otherToken } = await vault.create(session);
      vault.onDelivered(other, () => heard.push('later'));
      await vault.deliver(otherToken, success('x'));
      // What comes later has come: so would have what came before.
      await vi.waitFor(() => expect(heard).toContain('later'));
      expect(heard).toEqual(['later']);
    });
  });

  describe('limits', () => {
    it('no more sessions than allowed, and room again once some expired', async () => {
      const { vault, nodes, clock } = build({ maxLive: 3 });
      const made = await Promise.allSettled(Array.from({ length: 6 }, (_, i) => nodes[i % nodes.length]!.create(session)));
      expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
      expect(await errorCode(vault.create(session))).toBe('vault_full');
      expect(await errorCode(vault.createForCall({ purpose: 'p', callId: 'c' }))).toBe('vault_full');
      clock.now += LIFETIME_MS;
      expect(await errorCode(vault.create(session))).toBe('done');
      expect(await vault.stats()).toEqual({ live: 1, claimed: 0 });
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

  describe('whatever the order of events', () => {
    const action = fc.record({
      kind: fc.constantFrom('create', 'create', 'createForCall', 'deliver', 'deliver', 'claim', 'claim', 'claim', 'letGo', 'letGo', 'purge', 'reveal', 'reveal', 'extend', 'pass'),
      which: fc.nat(4),
      call: fc.nat(3),
      node: fc.nat(1),
      flag: fc.boolean(),
      ms: fc.constantFrom(1_000, GRACE_MS, LIFETIME_MS / 2, LIFETIME_MS, MAX_HOLD_MS),
    });

    /** What the vault should know of a session, told in the plainest way. */
    interface Model {
      sessionId: string;
      attrToken: string;
      pageToken: string;
      code: string | undefined;
      name: string;
      authenticated: boolean;
      result: 'none' | 'success' | 'failed';
      holder: string | undefined;
      lastHolder: string | undefined;
      endsAt: number;
      extendableUntil: number;
      gone: boolean;
    }

    it('the vault does what its description says: one claim at a time, nothing after the end', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), async (actions) => {
          const { nodes, clock } = build();
          const models: Model[] = [];
          const alive = (model: Model): boolean => !model.gone && clock.now < model.endsAt;
          const identityOf = (model: Model): Identity => (model.result === 'success' ? 'verified' : model.result === 'failed' ? 'failed' : model.authenticated ? 'awaiting' : 'unauthenticated');
          for (const step of actions) {
            const vault = nodes[step.node % nodes.length]!;
            const call = `call-${step.call}`;
            const fresh = { name: `citizen ${models.length}`, result: 'none' as const, gone: false };
            if (step.kind === 'create') {
              const created = await vault.create({ purpose: 'p', authentication: step.flag ? 'expected' : 'none' });
              models.push({ ...created, ...fresh, authenticated: step.flag, holder: undefined, lastHolder: undefined, endsAt: clock.now + LIFETIME_MS, extendableUntil: clock.now + LONGEST_MS });
              continue;
            }
            if (step.kind === 'createForCall') {
              const created = await vault.createForCall({ purpose: 'p', callId: call });
              models.push({ ...created, ...fresh, code: undefined, authenticated: true, holder: call, lastHolder: call, endsAt: clock.now + MAX_HOLD_MS, extendableUntil: clock.now });
              continue;
            }
            if (step.kind === 'pass') {
              clock.now += step.ms;
              continue;
            }
            const model = models[step.which % Math.max(models.length, 1)];
            if (!model) continue;
            const { sessionId, code, attrToken, pageToken } = model;
            const holds = alive(model) && model.holder === call;
            if (step.kind === 'deliver') {
              const expected = !alive(model) ? 'unknown' : model.result !== 'none' ? 'duplicate' : 'accepted';
              expect(await vault.deliver(attrToken, step.flag ? success(model.name) : failed)).toBe(expected);
              if (expected === 'accepted') model.result = step.flag ? 'success' : 'failed';
            } else if (step.kind === 'claim') {
              if (code === undefined) continue;
              const expected = alive(model) && (model.holder === undefined || model.holder === call);
              expect(await vault.claim(code, call)).toMatchObject(expected ? { ok: true, sessionId, identity: identityOf(model) } : { ok: false });
              if (expected && model.holder === undefined) Object.assign(model, { holder: call, lastHolder: call, endsAt: clock.now + MAX_HOLD_MS });
            } else if (step.kind === 'reveal') {
              const outcome = await vault.reveal(sessionId, call).then((identity) => identity.attributes['name'], (error: unknown) => (error as VaultError).code);
              expect(outcome).toBe(!holds ? 'not_claimed' : model.result === 'success' ? model.name : 'not_verified');
            } else if (step.kind === 'letGo') {
              await vault.letGo(sessionId, call);
              if (holds) Object.assign(model, code === undefined ? { gone: true } : { holder: undefined, endsAt: clock.now + GRACE_MS });
            } else if (step.kind === 'extend') {
              const end = await vault.extend(pageToken);
              const extendable = alive(model) && model.holder === undefined;
              if (extendable) model.endsAt = Math.max(model.endsAt, Math.min(clock.now + LIFETIME_MS, model.extendableUntil));
              expect(end?.getTime()).toBe(extendable ? model.endsAt : undefined);
            } else {
              await vault.purge(sessionId, call);
              if (model.lastHolder === call) model.gone = true;
            }
            const live = models.filter(alive);
            expect(await vault.stats()).toEqual({ live: live.length, claimed: live.filter((each) => each.holder !== undefined).length });
            const page = await vault.onPage(pageToken);
            if (alive(model)) expect(page).toMatchObject({ claimed: model.holder !== undefined, identity: identityOf(model), ...(code === undefined ? {} : { code }) });
            else expect(page).toBeUndefined();
          }
          for (const node of nodes) await node.close();
        }),
        { numRuns: interleavings },
      );
    }, 60_000);

    it('of many calls with one code at one time exactly one gets it', async () => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 2, max: 20 }), fc.boolean(), async (calls, released) => {
          const { vault, nodes } = build();
          const { code, sessionId } = await vault.create(session);
          if (released) {
            await vault.claim(code, 'earlier');
            await vault.letGo(sessionId, 'earlier');
          }
          const claims = await Promise.all(Array.from({ length: calls }, (_, i) => nodes[i % nodes.length]!.claim(code, `call-${i}`)));
          expect(claims.filter((claim) => claim.ok)).toHaveLength(1);
          for (const node of nodes) await node.close();
        }),
        { numRuns: races },
      );
    });
  });
});

describe('in memory', () => {
  it('the sweep frees what expired and keeps what did not', async () => {
    const { vault, store, clock } = kept(buildInMemory());
    const early = await vault.create(session);
    const claimed = await vault.create(session);
    const extended = await vault.create(session);
    await vault.claim(claimed.code, 'c');
    clock.now += LIFETIME_MS / 2;
    const late = await vault.create(session);
    await vault.extend(extended.pageToken);
    clock.now += LIFETIME_MS / 2;
    const gone: string[] = [];
    store.onGone((id) => gone.push(id));
    store.sweep();
    expect(gone).toEqual([early.sessionId]);
    for (const { code } of [late, extended]) expect(await vault.claim(code, 'd')).toMatchObject({ ok: true });
  });

  it('a code may come again once it has rested', async () => {
    const { vault, store, clock } = kept(buildInMemory());
    const { code, sessionId } = await vault.create(session);
    await vault.claim(code, 'c');
    const like = await store.held(sessionId, 'c');
    await vault.purge(sessionId, 'c');
    clock.now += LIFETIME_MS - 1;
    expect(await vault.claim(code, 'c')).toEqual({ ok: false, reason: 'used' });
    clock.now += 1;
    expect(await vault.claim(code, 'c')).toEqual({ ok: false, reason: 'unknown' });
    expect(await store.insert({ ...like!, sealKey: newSealKey() })).toBe('inserted');
  });

  it('no code, token or attribute stands in the store, and the key is overwritten at the end', async () => {
    const { vault, store } = kept(buildInMemory());
    const created = await vault.create(session);
    await vault.deliver(created.attrToken, success('Willeke de Bruijn'));
    await vault.claim(created.code, 'c');
    const stored = await store.held(created.sessionId, 'c');
    if (stored?.result?.status !== 'success') throw new Error('expected a result');
    const dump = JSON.stringify(stored, (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value)) + stored.result.sealed.toString('latin1');
    for (const clear of [created.code, created.attrToken, created.pageToken, 'Willeke', 'plugin.example', 'name']) expect(dump).not.toContain(clear);
    const { sealKey } = stored;
    const { sealed } = stored.result;
    await vault.purge(created.sessionId, 'c');
    expect(sealKey.every((byte) => byte === 0)).toBe(true);
    expect(sealed.every((byte) => byte === 0)).toBe(true);
  });

  it('holds 100,000 sessions, and a claim among them takes no longer than among 1,000', async () => {
    const measure = async (live: number): Promise<number> => {
      const { vault, store } = kept(buildInMemory({ maxLive: 100_000 }));
      const codes: string[] = [];
      const more = { purpose: 'p', authentication: 'expected', word: 0, sealKey: newSealKey(), expiresAtMs: START + LIFETIME_MS, extendableUntilMs: START } as const;
      for (let i = 0; i < live; i += 1) {
        if (i % (live / 500) === 0) codes.push((await vault.create(session)).code);
        else await store.insert({ ...more, sessionId: `session ${i}`, codeHash: `code ${i}`, tokenHash: `token ${i}`, board: `board ${i}` });
      }
      expect((await vault.stats()).live).toBe(live);
      const times: number[] = [];
      for (const [i, code] of codes.entries()) {
        const before = process.hrtime.bigint();
        expect(await vault.claim(code, `c${i}`)).toMatchObject({ ok: true });
        times.push(Number(process.hrtime.bigint() - before));
      }
      return times.sort((a, b) => a - b)[250] ?? 0;
    };
    await measure(1_000);
    const few = await measure(1_000);
    const many = await measure(100_000);
    // Generous, for a busy machine: a scan would be a hundred times slower. The bench measures it properly.
    expect(many / few).toBeLessThan(8);
  }, 60_000);
});

describe('a seal', () => {
  it('opens with its own key, context and bytes only', () => {
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
