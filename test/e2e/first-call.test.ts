import { afterEach, describe, expect, it } from 'vitest';
import { msOfTone, Peers, startBaresip, startCitizen, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

const citizenHz = 600;
const agentHz = 900;

describe.each(['anchored', 'released'] as const)('the first identified call, %s', (bridge) => {
  it('shows who is calling before the voices meet, carries both ways, and leaves nothing', async () => {
    const phone = peers.add(await startBaresip({ toneHz: [agentHz] }));
    const gateway = peers.add(await TestGateway.start({ bridge, agents: [{ name: 'anna', phone: phone.uri }] }));
    const screen = peers.add(await gateway.screen('anna'));
    const code = await gateway.citizen({ fullname: 'J. Jansen', city: 'Nijmegen' });
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: '+31201234567', toneHz: [citizenHz] }));
    await citizen.answered();
    let agentHeardBeforePop = true;
    screen.onPop = () => {
      agentHeardBeforePop = msOfTone(phone.heard().samples, citizenHz) > 0;
    };
    await typeCode(gateway, citizen, code);
    await screen.told('connected', { timeoutMs: 15_000 });
    expect(Object.values(screen.shown?.fields ?? {})).toEqual(expect.arrayContaining(['J. Jansen', 'Nijmegen']));
    expect(agentHeardBeforePop).toBe(false);
    await citizen.playTone();
    await until(() => msOfTone(phone.heard().samples, citizenHz) > 400, 'the agent to hear the citizen');
    await until(() => msOfTone(citizen.tap.pcm(), agentHz) > 400, 'the citizen to hear the agent');
    await citizen.hangup();
    await screen.told('clear');
    expect(screen.shown).toBeUndefined();
    await gateway.untilEmpty();
    expect(await gateway.gateway.vault.stats()).toMatchObject({ live: 0, claimed: 0 });
    expect(await gateway.gateway.vault.claim(code, 'another call')).toMatchObject({ ok: false });
  }, 60_000);
});
