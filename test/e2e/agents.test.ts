/** Agents who do not answer, refuse, close their page, or put the caller on hold. */
import { afterEach, describe, expect, it } from 'vitest';
import { msOfTone, Peers, sleep, startBaresip, startCitizen, startSippAgent, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { heardPrompt } from './heard-prompt.js';
import { agentHz, attributes, citizenHz, dialled, sceneWithBaresip, typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

describe('an agent’s phone that does not take the call', () => {
  it.each([
    ['is busy', { kind: 'reject', status: 486, reason: 'Busy Here', afterMs: 50 }],
    ['is out of order', { kind: 'reject', status: 503, reason: 'Service Unavailable', afterMs: 0 }],
    ['rings for ever', { kind: 'ring' }],
  ] as const)('%s: the caller keeps the place and the next agent gets the call', async (_what, behaviour) => {
    const bad = peers.add(await startSippAgent({ behaviour }));
    const good = peers.add(await startBaresip({ toneHz: [agentHz] }));
    const gateway = peers.add(
      await TestGateway.start({ agents: [{ name: 'anna', phone: `sip:anna@127.0.0.1:${bad.sip.port}` }, { name: 'bram', phone: good.uri }], calls: { ringTimeoutMs: 1_500 } }),
    );
    const anna = peers.add(await gateway.screen('anna'));
    await sleep(30);
    const bram = peers.add(await gateway.screen('bram'));
    const code = await gateway.citizen(attributes);
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled }));
    await citizen.answered();
    await typeCode(gateway, citizen, code);
    await anna.told('offer', { timeoutMs: 15_000 });
    await bram.told('connected', { timeoutMs: 15_000 });
    expect(bram.shown?.fields).not.toBeNull();
    expect(anna.heard.some(({ message }) => message.type === 'reveal')).toBe(false);
    expect(anna.heard.some(({ message }) => message.type === 'clear')).toBe(true);
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 60_000);
});

describe('a screen that does not answer', () => {
  it('by default the caller goes back to the head, and the bridge never happens', async () => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithBaresip(peers, { calls: { ackTimeoutMs: 500 } });
    screen.acknowledges = false;
    const { citizen } = await identifiedCall();
    await screen.told('reveal', { timeoutMs: 15_000 });
    await screen.told('clear');
    await phone.saw('CALL_CLOSED');
    expect(msOfTone(phone.heard().samples, citizenHz)).toBe(0);
    screen.acknowledges = true;
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(screen.shown?.fields).not.toBeNull();
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 60_000);

  it('or, where the site says so, connects without identity and deletes it', async () => {
    const { gateway, screen, identifiedCall } = await sceneWithBaresip(peers, { calls: { ackTimeoutMs: 500, onMissingAck: 'unidentified' } });
    screen.acknowledges = false;
    const { citizen } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(screen.shown?.fields).toBeNull();
    expect((await gateway.gateway.vault.stats()).live).toBe(0);
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 60_000);

  it('in the conversation it is sent again what it has not drawn, a few times, and nobody is hung up on', async () => {
    const { gateway, screen, call } = await sceneWithBaresip(peers, { calls: { ackTimeoutMs: 500 }, sessions: { resultWaitMs: 100 } });
    const session = await gateway.startSession();
    const citizen = await call();
    await typeCode(gateway, citizen, session.code);
    await screen.told('connected', { timeoutMs: 20_000 });
    screen.acknowledges = false;
    await gateway.deliver(session, attributes);
    // Without identity at first; then with it, and three times more.
    const last = await screen.told('reveal', { count: 5, timeoutMs: 15_000 });
    expect(last.identity).not.toBeNull();
    screen.acknowledges = true;
    await sleep(1_500);
    expect(screen.heard.filter(({ message }) => message.type === 'reveal')).toHaveLength(5);
    expect(citizen.running).toBe(true);
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 60_000);

  it('a page reloaded in the middle of a call gets its pop again, the old one gets nothing', async () => {
    const { gateway, screen, identifiedCall } = await sceneWithBaresip(peers);
    const { citizen } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    const second = peers.add(await gateway.screen('anna'));
    const pop = await second.told('reveal');
    expect(pop.identity).not.toBeNull();
    expect(screen.heard.some(({ message }) => message.type === 'expired' || message.type === 'replaced')).toBe(true);
    await citizen.hangup();
    await second.told('clear');
    await gateway.untilEmpty();
  }, 60_000);
});

describe('hold and resume', () => {
  it.each(['anchored', 'released'] as const)('by the agent’s phone (%s)', async (bridge) => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithBaresip(peers, { bridge });
    const { citizen } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    await until(() => msOfTone(citizen.tap.pcm(), agentHz) > 200, 'the citizen to hear the agent');
    await phone.command('hold');
    await sleep(700);
    const before = msOfTone(citizen.tap.pcm(), agentHz);
    await sleep(700);
    expect(msOfTone(citizen.tap.pcm(), agentHz) - before).toBeLessThan(200);
    // Who is not forgotten hears so; between two phones that talk with each other there is nobody to say it.
    if (bridge === 'anchored') await until(() => heardPrompt(citizen.tap.pcm(), 'on-hold'), 'that they are on hold');
    await phone.command('resume');
    await until(() => msOfTone(citizen.tap.pcm(), agentHz) - before > 500, 'the citizen to hear the agent again');
    expect(screen.shown?.fields).not.toBeNull();
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 60_000);
});
