import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Principal } from '../../gateway/sign-in/principal.js';
import { Sessions, type Session, type SessionPolicy } from '../../gateway/sign-in/sessions.js';

const idle = (): boolean => false;
const somebody = (name: string): Principal => ({ name, displayName: name, tenant: 'main', roles: ['agent'], by: 'password' });

function make(policy: SessionPolicy, maxPerPerson = 5) {
  const clock = { now: 0 };
  const gone = new Set<string>();
  const told: [what: string, session: Session][] = [];
  const sessions = new Sessions(
    { policyOf: () => policy, principalOf: ({ name }) => (gone.has(name) ? undefined : somebody(name)), log: pino({ level: 'silent' }), maxPerPerson, now: () => clock.now },
    { ended: (session) => told.push(['ended', session]), over: () => undefined, locked: (session) => told.push(['locked', session]), unlocked: (session) => told.push(['unlocked', session]) },
  );
  return { sessions, clock, told, gone };
}

it('end by idling and by age, not in a call, and are bounded', async () => {
  const { sessions, clock, told } = make({ idleTimeoutMs: 1000, maxSessionMs: 5000 }, 2);
  const { cookie, session } = await sessions.start(somebody('anna'), '1');
  clock.now = 900;
  session.touch();
  clock.now = 1800;
  expect(await sessions.find(cookie)).toBe(session);
  clock.now = 1900;
  expect(await sessions.find(cookie)).toBeUndefined();
  // In a call it is as good as touched.
  await sessions.sweep(() => true);
  expect(told).toEqual([]);
  expect(await sessions.find(cookie)).toBe(session);
  clock.now += 30_000;
  await sessions.sweep(idle);
  expect(told).toEqual([['ended', session]]);
  expect(session.isLive).toBe(false);

  const old = await sessions.start(somebody('bram'), '1');
  const begin = clock.now;
  for (; clock.now < begin + 4500; clock.now += 500) old.session.touch();
  expect(await sessions.find(old.cookie)).toBe(old.session);
  clock.now = begin + 5001;
  old.session.touch();
  expect(await sessions.find(old.cookie)).toBeUndefined();
  await sessions.sweep(idle);

  told.length = 0;
  const first = await sessions.start(somebody('cor'), '1');
  await sessions.start(somebody('cor'), '1');
  await sessions.start(somebody('cor'), '1');
  expect(told).toEqual([['ended', first.session]]);
  expect(sessions.size).toBe(2);
});

it('end with the account they rest on, also one that began a moment before', async () => {
  const { sessions, told, gone } = make({ idleTimeoutMs: 100_000, maxSessionMs: 500_000 });
  const [anna, bram, cor] = [await sessions.start(somebody('anna'), '1'), await sessions.start(somebody('bram'), '1'), await sessions.start(somebody('cor'), '1')];
  gone.add('anna');
  await sessions.endGroundless();
  expect(told).toEqual([['ended', anna.session]]);
  gone.add('bram').add('cor');
  expect(await sessions.find(bram.cookie)).toBeUndefined();
  await sessions.sweep(idle);
  expect(told.map(([, session]) => session)).toEqual([anna.session, bram.session, cor.session]);
});

it('lock by idling, but not in a call, and a lock is no sign of life', async () => {
  const { sessions, clock, told } = make({ idleLockMs: 300, idleTimeoutMs: 100_000, maxSessionMs: 500_000 });
  const { cookie, session } = await sessions.start(somebody('anna'), '1');
  clock.now = 400;
  await sessions.sweep(() => true);
  expect(session.locked).toBe(false);
  clock.now = 60_000;
  await sessions.sweep(idle);
  expect(told).toEqual([['locked', session]]);
  expect((await sessions.find(cookie))?.locked).toBe(true);
  clock.now = 90_000;
  session.touch();
  await sessions.unlock(session);
  expect(told[1]).toEqual(['unlocked', session]);
  await sessions.lock(session);
  clock.now = 189_000;
  session.touch();
  clock.now = 191_000;
  await sessions.sweep(idle);
  expect(session.isLive).toBe(false);
});
