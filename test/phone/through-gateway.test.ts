import { afterEach, describe, expect, it } from 'vitest';
import { Phone } from '../../gateway/phone/index.js';
import { TestGateway } from '../support/gateway.js';
import { Peers, msOfTone, startBaresip, tone, until } from '../peers/index.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

describe.each(['anchored', 'released'] as const)('through the gateway, %s', (bridge) => {
  it('learns that it is connected, talks, and is told why it ends', async () => {
    const agent = peers.add(await startBaresip({ toneHz: [900] }));
    const gateway = peers.add(await TestGateway.start({ bridge, agents: [{ name: 'anna', phone: agent.uri }] }));
    const screen = peers.add(await gateway.screen('anna'));
    const phone = await Phone.open();
    peers.defer(() => phone.close());
    const code = await gateway.citizen({ fullname: 'J. Jansen' });
    const call = phone.call({ to: `sip:+31201234567@127.0.0.1:${gateway.sip.port}`, code, record: true, say: { samples: tone([600], 1_000), forever: true } });
    await screen.told('connected', { timeoutMs: 15_000 });
    await until(() => call.isConnected, 'the phone to know', 5_000);
    await until(() => msOfTone(agent.heard().samples, 600) > 400, 'the agent to hear the phone');
    await until(() => msOfTone(call.heard(), 900) > 400, 'the phone to hear the agent');
    await agent.command('hangup');
    const result = await call.done;
    expect(result).toMatchObject({ outcome: 'connected', exitCode: 0, endedBy: 'them' });
    expect(call.events.flatMap((event) => (event.kind === 'told' ? [event.state] : []))).toContain('connected');
    expect(JSON.stringify(call.events)).not.toContain(code);
    await gateway.untilEmpty();
  }, 60_000);
});
