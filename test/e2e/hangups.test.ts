/** The caller may go at any moment: nothing of the call may stay, and nobody may be shown anything afterwards. */
import { afterEach, describe, expect, it } from 'vitest';
import { Peers, sleep, startCitizen, until } from '../peers/index.js';
import { dialled, sceneWithBaresip, sceneWithSippAgent, typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

describe('the caller hangs up', () => {
  it('by CANCEL, as early as it can', async () => {
    const { gateway } = await sceneWithBaresip(peers);
    for (const cancelAfterMs of [0, 3, 10]) {
      const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled, cancelAfterMs }));
      const status = await citizen.status();
      expect([487, 200]).toContain(status);
      // The answer was quicker: then it is a call like any other, and ends like one.
      if (status === 200) await citizen.hangup();
    }
    await gateway.untilEmpty();
  });

  it.each([0, 30, 150, 700, 1_500])('%i ms after the answer', async (ms) => {
    const { gateway, call } = await sceneWithBaresip(peers);
    const citizen = await call();
    await sleep(ms);
    await citizen.hangup();
    await citizen.exited;
    await gateway.untilEmpty();
  });

  it('while typing the code', async () => {
    const { gateway, call } = await sceneWithBaresip(peers);
    const citizen = await call();
    await citizen.press('1234');
    await sleep(600);
    await citizen.hangup();
    await gateway.untilEmpty();
  });

  it('right after the code: the same code can be used again within the grace', async () => {
    const { gateway, screen, identifiedCall, call } = await sceneWithSippAgent(peers, { behaviour: { kind: 'answer', afterMs: 2_000, hangupAfterMs: 60_000 } });
    const { citizen, code } = await identifiedCall();
    await screen.told('offer', { timeoutMs: 15_000 });
    await citizen.hangup();
    await screen.told('clear');
    await gateway.untilEmpty();
    const again = await call();
    await typeCode(gateway, again, code);
    const reveal = await screen.told('reveal', { timeoutMs: 20_000 });
    expect(reveal.identity).not.toBeNull();
    await again.hangup();
    await gateway.untilEmpty();
  }, 60_000);

  it('while the agent’s phone rings: the ringing stops', async () => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithSippAgent(peers, { behaviour: { kind: 'ring' } });
    const { citizen } = await identifiedCall();
    await screen.told('offer', { timeoutMs: 15_000 });
    await phone.saw(/^INVITE /, { direction: 'received' });
    await citizen.hangup();
    await phone.saw(/^CANCEL /, { direction: 'received' });
    await screen.told('clear');
    expect(screen.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
    await gateway.untilEmpty();
  }, 40_000);

  it('between answer and acknowledgement: the screen is blank again', async () => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithBaresip(peers, { calls: { ackTimeoutMs: 20_000 } });
    screen.acknowledges = false;
    const { citizen } = await identifiedCall();
    await screen.told('reveal', { timeoutMs: 15_000 });
    await citizen.hangup();
    await screen.told('clear');
    expect(screen.shown).toBeUndefined();
    await phone.saw('CALL_CLOSED');
    await gateway.untilEmpty();
    expect((await gateway.gateway.vault.stats()).live).toBe(0);
  }, 40_000);

  it.each(['anchored', 'released'] as const)('in the very moment of the connection (%s)', async (bridge) => {
    const { gateway, screen, identifiedCall } = await sceneWithBaresip(peers, { bridge });
    const { citizen } = await identifiedCall();
    await screen.told('reveal', { timeoutMs: 15_000 });
    await citizen.hangup();
    await screen.told('clear');
    await gateway.untilEmpty();
    expect((await gateway.gateway.vault.stats()).live).toBe(0);
  }, 40_000);
});

describe('the other side ends it', () => {
  it.each(['anchored', 'released'] as const)('the agent hangs up the phone (%s)', async (bridge) => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithBaresip(peers, { bridge });
    const { citizen } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    await phone.command('hangup');
    await citizen.saw(/^BYE /, { direction: 'received' });
    await screen.told('clear');
    await gateway.untilEmpty();
  }, 40_000);

  it('the agent presses "end" on the screen', async () => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithBaresip(peers);
    const { citizen } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    screen.end();
    await citizen.saw(/^BYE /, { direction: 'received' });
    await phone.saw('CALL_CLOSED');
    await screen.told('clear');
    await gateway.untilEmpty();
  }, 40_000);

  it('deletes within a second of the end', async () => {
    const { gateway, screen, identifiedCall } = await sceneWithBaresip(peers);
    const { citizen } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    await citizen.hangup();
    await citizen.saw(/^SIP\/2.0 200/, { direction: 'received', count: 2 });
    await until(async () => screen.shown === undefined && (await gateway.gateway.vault.stats()).live === 0, 'session and screen to be empty', 1_000);
    await gateway.untilEmpty();
  }, 40_000);
});
