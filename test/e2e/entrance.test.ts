/** Who and what gets in: strangers, foreign codecs, wrong codes, keys by INFO, offers that come late. */
import { afterEach, describe, expect, it } from 'vitest';
import { generateCode } from '../../core-bridge/index.js';
import { msOfTone, Peers, sleep, startCitizen, until } from '../peers/index.js';
import { agentHz, attributes, citizenHz, dialled, sceneWithBaresip, typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

describe('who may call', () => {
  it('an address that no trunk lists is refused without ringing anything', async () => {
    const { gateway, screen } = await sceneWithBaresip(peers, { strangers: 'refused', trunks: [{ name: 'elsewhere', addresses: ['192.0.2.1'] }] });
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled }));
    expect(await citizen.status()).toBe(403);
    expect(citizen.messages().some((message) => /^SIP\/2.0 18/.test(message.firstLine))).toBe(false);
    expect(screen.heard.some(({ message }) => message.type === 'offer')).toBe(false);
    await gateway.untilEmpty();
  });
});

describe('codes', () => {
  it('three wrong ones lead to a human, plainly unidentified', async () => {
    const { gateway, screen, call } = await sceneWithBaresip(peers);
    await gateway.citizen(attributes);
    const citizen = await call();
    // One with a wrong check digit, which is a slip and no guess, and two that might have been codes.
    const tried = async () => (await gateway.metric(/^gateway_codes_total.*refused/)) + (await gateway.metric(/^gateway_codes_total.*mistyped/));
    for (const [tries, wrong] of ['1111111111', generateCode(10), generateCode(10)].entries()) {
      await citizen.press(`${wrong}#`);
      await until(async () => (await tried()) === tries + 1, `code ${tries + 1} to be refused`, 15_000);
    }
    expect(await gateway.metric(/^gateway_guesses_total.*wrong/)).toBe(2);
    await screen.told('connected', { timeoutMs: 20_000 });
    expect(screen.shown?.fields).toBeNull();
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 60_000);

  it('a lone 0 leads to a human at once', async () => {
    const { gateway, screen, call } = await sceneWithBaresip(peers);
    const citizen = await call();
    await citizen.press('0#');
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(screen.shown?.fields).toBeNull();
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 40_000);

  it('a used one is worth nothing while its call lives, and after', async () => {
    const { gateway, screen, identifiedCall } = await sceneWithBaresip(peers);
    const { citizen, code } = await identifiedCall();
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(await gateway.gateway.vault.claim(code, 'thief')).toMatchObject({ ok: false });
    await citizen.hangup();
    await gateway.untilEmpty();
    expect(await gateway.gateway.vault.claim(code, 'thief')).toMatchObject({ ok: false });
  }, 40_000);

  it('the result may come after the code', async () => {
    const { gateway, screen, call } = await sceneWithBaresip(peers);
    const session = await gateway.startSession();
    const citizen = await call();
    await typeCode(gateway, citizen, session.code);
    await until(() => gateway.gateway.vault.stats().then((stats) => stats.claimed === 1), 'the code to be accepted', 15_000);
    await gateway.deliver(session, attributes);
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(Object.values(screen.shown?.fields ?? {})).toContain(attributes.fullname);
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 40_000);
});

describe('phones of all kinds', () => {
  it('mu-law only', async () => {
    const { gateway, screen, phone, identifiedCall } = await sceneWithBaresip(peers);
    const { citizen } = await identifiedCall({ codec: 'pcmu' });
    await screen.told('connected', { timeoutMs: 15_000 });
    await citizen.playTone();
    await until(() => msOfTone(phone.heard().samples, citizenHz) > 300, 'the agent to hear the citizen');
    await until(() => msOfTone(citizen.tap.pcm(), agentHz) > 300, 'the citizen to hear the agent');
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 40_000);

  it('an INVITE without an offer', async () => {
    const { gateway, screen, phone, call } = await sceneWithBaresip(peers);
    const code = await gateway.citizen(attributes);
    const citizen = await call({ lateOffer: true });
    // A further offer may settle the payload types; sipp begins its tone anew at each, which would cut off its keys.
    await sleep(800);
    await typeCode(gateway, citizen, code);
    await screen.told('connected', { timeoutMs: 20_000 });
    await citizen.playTone();
    await until(() => msOfTone(phone.heard().samples, citizenHz) > 300, 'the agent to hear the citizen');
    await citizen.hangup();
    await gateway.untilEmpty();
  }, 40_000);

  it('SIP over TCP', async () => {
    const { gateway, screen } = await sceneWithBaresip(peers);
    const code = await gateway.citizen(attributes);
    peers.add(await startCitizen({ to: gateway.sip, user: dialled, transport: 'tcp', keys: { keys: `${code}#` }, hangupAfterMs: 8_000 }));
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(screen.shown?.fields).not.toBeNull();
    await screen.told('clear', { timeoutMs: 15_000 });
    await gateway.untilEmpty();
  }, 40_000);
});
