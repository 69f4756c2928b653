/**
 * A SIP server that obeys anybody's BYE before it asks, as real ones do, and ours when nobody has told it of its peers. The
 * gateway cannot keep such a call: it must not go on showing it either.
 */
import { afterAll, expect, it } from 'vitest';
import { Phone } from '../../gateway/phone/index.js';
import { ownPromptsPath } from '../../gateway/app.js';
import { startMediaServer } from '../../gateway/engines/media-server/index.js';
import { startSipServer } from '../../gateway/engines/sip-server/index.js';
import { RawCall, RawSocket } from '../e2e/raw-sip.js';
import { dialled } from '../e2e/support.js';
import { freePort, freePorts } from '../peers/ports.js';
import { Peers, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';

const stage = new Peers();
afterAll(() => stage.stopAll());

it.each(['127.0.0.3', '127.0.0.9'])('a BYE from %s that ended the caller’s dialog there ends the call here: nothing stays on the screen', async (attacker) => {
  const rtp = await freePorts(20);
  const sip = await startSipServer({ listen: { host: '127.0.0.1', port: await freePort() }, admin: { host: '127.0.0.1', port: 0 }, secret: 'sip secret' });
  stage.defer(() => sip.close());
  const media = await startMediaServer({ host: '127.0.0.1', sipPort: 0, eslPort: 0, secret: 'media secret', rtpPorts: { min: rtp, max: rtp + 19 }, profile: 'drachtio_mrf', soundsPath: ownPromptsPath });
  stage.defer(() => media.close());
  const phone = await Phone.open();
  stage.defer(() => phone.close());
  phone.answer({ answerAfterMs: 0 });
  const gateway = stage.add(await TestGateway.start({
    agents: [{ name: 'anna', phone: phone.uri }],
    trunks: [{ name: 'one', addresses: ['127.0.0.2'] }, { name: 'two', addresses: ['127.0.0.3'] }],
    servers: { sip: { ...sip.admin, secret: 'sip secret' }, media: { ...media.esl, secret: 'media secret', profile: 'drachtio_mrf' }, address: sip.sip },
  }));
  const screen = stage.add(await gateway.screen('anna'));
  const code = await gateway.citizen({ fullname: 'Somebody' });
  const caller = await RawCall.make(stage.add(await RawSocket.open(gateway.sip, 0, '127.0.0.2')), stage.add(await RawSocket.open(gateway.sip, 0, '127.0.0.2')), dialled);
  await caller.press(`${code}#`);
  await screen.told('connected', { timeoutMs: 20_000 });
  expect(screen.shown?.fields).not.toBeNull();
  const forger = stage.add(await RawSocket.open(gateway.sip, 0, attacker));
  forger.send(caller.text('BYE').replace(/^Via:.*$/m, `Via: SIP/2.0/UDP ${attacker}:${forger.port};branch=z9hG4bKforged${attacker};rport`));
  await until(() => screen.shown === undefined, 'the screen to be empty', 10_000);
  await gateway.untilEmpty(15_000);
  await gateway.stop();
}, 90_000);
