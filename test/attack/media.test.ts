/**
 * Strangers who send RTP to a citizen's call: keys of a code of their own, or voices, to be taken for that citizen, or to be
 * sent what the citizen hears. Whatever they send: the citizen is identified by the citizen's code, and nothing is sent to them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Phone } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import { RawCall, RawSocket, status } from '../e2e/raw-sip.js';
import { dialled } from '../e2e/support.js';
import { Peers, sleep, until } from '../peers/index.js';
import { realEngines, TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { RtpSender, type Place } from './rtp-sender.js';

const TRUNK = '127.0.0.2';
const STRANGER = '127.0.0.9';
/** An address behind somebody's NAT, which nobody here has. */
const PRIVATE = '10.255.255.1';

const stage = new Peers();
const guests = new Peers();
let gateway: TestGateway;
/** Names on the agents' screens. */
let shown: string[] = [];
let citizens = 0;
/** Pieces of sound that agents heard and that were no silence. */
let heardByAgents = 0;
/** The attacker's own code: valid, and to be taken from nobody else. */
let attackers: string;

async function open(trunk: Partial<NonNullable<TestGatewayOptions['trunks']>[number]> = {}): Promise<void> {
  const phone = await Phone.open();
  stage.defer(() => phone.close());
  phone.answer({ answerAfterMs: 0, onHeard: (_call, samples) => void (heardByAgents += samples.some((sample) => Math.abs(sample) > 1_000) ? 1 : 0) });
  const names = ['anna', 'bram', 'cees', 'dora', 'eva', 'fred', 'gijs'];
  gateway = stage.add(await TestGateway.start({
    agents: names.map((name) => ({ name, phone: phone.uri.replace(/sip:[^@]*@/, `sip:${name}@`) })),
    trunks: [{ name: 'carrier', addresses: [TRUNK], ...trunk }, { name: 'phones', addresses: ['127.0.0.1'] }],
  }));
  shown = [];
  citizens = heardByAgents = 0;
  for (const name of names) {
    const screen: ScreenClient = stage.add(await gateway.screen(name));
    screen.onPop = ({ name: citizen }) => shown.push(citizen ?? 'nobody');
  }
  attackers = await gateway.citizen({ fullname: 'Attacker' });
}

/** A citizen at the trunk's address, with a session, and a stranger. */
async function scene(): Promise<{ media: RtpSender; sip: RawSocket; stranger: RtpSender; name: string; code: string }> {
  citizens += 1;
  const name = `Citizen ${citizens}`;
  return {
    name, code: await gateway.citizen({ fullname: name }),
    sip: guests.add(await RawSocket.open(gateway.sip, 0, TRUNK)),
    media: guests.add(await RtpSender.open(TRUNK)),
    stranger: guests.add(await RtpSender.open(STRANGER)),
  };
}

const identified = (name: string) => until(() => shown.at(-1) === name, `${name} to be on a screen; there were: ${shown.join(', ')}`, 15_000);

/** All ports of the media server; of one that is not ours, a hundred to either side of the call's. */
function allPorts({ host, port }: Place): Place[] {
  const { min, max } = realEngines ? { min: port - 200, max: port + 200 } : gateway.rtpPorts;
  return Array.from({ length: Math.floor((max - min) / 2) + 1 }, (_, n) => ({ host, port: (min + n * 2) & ~1 }));
}

/** No code but those of citizens was tried, taken or not, and no screen showed anybody else. */
async function onlyCitizens(): Promise<void> {
  expect(shown).toEqual(Array.from({ length: shown.length }, (_, n) => `Citizen ${n + 1}`));
  expect(await gateway.metric(/^gateway_codes_total.*accepted/)).toBe(shown.length);
  for (const outcome of ['refused', 'mistyped']) expect(await gateway.metric(new RegExp(`^gateway_codes_total.*${outcome}`))).toBe(0);
}

afterEach(() => guests.stopAll());

describe('media as described', () => {
  beforeAll(() => open());
  afterAll(() => stage.stopAll());
  afterEach(onlyCitizens);

  it('keys at every port before the citizen’s first packet are nobody’s', async () => {
    const { media, sip, stranger, name, code } = await scene();
    // Reports are asked for at the stranger’s, too.
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp(TRUNK, `a=rtcp:${stranger.port} IN IP4 ${STRANGER}\r\n`));
    for (let round = 0; round < 2; round++) await stranger.spray(`${attackers}#`, allPorts(call.remoteMedia));
    media.speak(call.remoteMedia);
    await until(() => media.spoken >= 10, 'the citizen to talk');
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    await until(() => media.voices > 10, 'the agent to be heard');
    expect(stranger.received).toBe(0);
    await call.hangup();
  });

  const variations: [string, (stranger: RtpSender, at: Place) => Promise<void>][] = [
    ['five packets of a voice', async (stranger, at) => {
      for (let n = 0; n < 5; n++) {
        stranger.audio(at);
        await sleep(20);
      }
    }],
    ['a steady voice for long', async (stranger, at) => {
      stranger.speak(at);
      await until(() => stranger.spoken > 50, 'the stranger to talk');
    }],
    ['keys as a telephone sends them', (stranger, at) => stranger.press(`${attackers}#`, at)],
    ['keys of ever new streams', (stranger, at) => stranger.spray(`${attackers}#`, [at], { repeat: 10, newStreams: true })],
    ['marked packets and keys behind them', async (stranger, at) => {
      for (const key of `${attackers}#`) {
        stranger.marked(at);
        await stranger.spray(key, [at]);
      }
    }],
    ['whole codes in bursts', async (stranger, at) => {
      for (let n = 0; n < 50; n++) {
        await stranger.spray(`${attackers}#`, [at], { repeat: 2, pauseMs: 0 });
        await sleep(10);
      }
    }],
  ];
  it.each(variations)('the port known: %s, and a voice of theirs all the while', async (_what, attack) => {
    const { media, sip, stranger, name, code } = await scene();
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp());
    await attack(stranger, call.remoteMedia);
    stranger.speak(call.remoteMedia);
    media.speak(call.remoteMedia);
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    await until(() => media.voices > 10, 'the agent to be heard');
    expect(stranger.received).toBe(0);
    await call.hangup();
  });

  it('on a call that is verified, after a re-INVITE to another port, while the citizen is silent', async () => {
    const { media, sip, stranger, name, code } = await scene();
    const heardEarlier = heardByAgents;
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp());
    media.speak(call.remoteMedia);
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    await until(() => heardByAgents > heardEarlier + 10, 'the citizen to be heard by the agent');
    media.hush();
    const moved = guests.add(await RtpSender.open(TRUNK));
    expect(await call.ask('INVITE', {}, moved.sdp())).toBe(200);
    await until(() => moved.voices > 10, 'the agent to be heard at the new port');
    const before = heardByAgents;
    await Promise.all([stranger.spray(`${attackers}#`, [call.remoteMedia]), (async () => {
      stranger.speak(call.remoteMedia);
      await until(() => stranger.spoken > 40, 'the stranger to talk');
    })()]);
    expect(heardByAgents).toBe(before);
    moved.speak(call.remoteMedia);
    await until(() => heardByAgents > before + 10, 'the citizen to be heard at the new port');
    expect(stranger.received).toBe(0);
    await call.hangup();
  });

  // A real FreeSWITCH takes the described port and no other (docs/whose-call.md).
  it.skipIf(realEngines)('a NAT moves the port, and the same description comes again: heard and hearing at the new port', async () => {
    const { media, sip, stranger, name, code } = await scene();
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp());
    media.speak(call.remoteMedia);
    await until(() => media.received > 5, 'the media server to be heard');
    media.hush();
    const moved = guests.add(await RtpSender.open(TRUNK));
    expect(await call.ask('INVITE', {}, media.sdp())).toBe(200);
    stranger.speak(call.remoteMedia);
    moved.speak(call.remoteMedia);
    await until(() => moved.received > 5, 'the media server to be heard at the new port');
    await moved.press(`${code}#`, call.remoteMedia);
    await identified(name);
    expect(stranger.received).toBe(0);
    await call.hangup();
  });
});

describe('media of a trunk with addresses of its own for it', () => {
  beforeAll(() => open({ mediaAddresses: ['127.0.0.2/31'] }));
  afterAll(() => stage.stopAll());
  afterEach(onlyCitizens);

  const c = (...addresses: string[]) => (sdp: string): string => sdp.replace(/^c=.*\r\n/m, addresses.map((address) => `c=IN IP4 ${address}\r\n`).join(''));
  it.each([
    ['the address of somebody else', c(STRANGER)], ['a name', c('localhost')], ['two addresses', c(TRUNK, STRANGER)], ['two addresses, the other way round', c(STRANGER, TRUNK)],
    ['another address for the stream', (sdp: string) => sdp.replace(/(m=.*\r\n)/, `$1c=IN IP4 ${STRANGER}\r\n`)],
    ['two for the stream', (sdp: string) => sdp.replace(/(m=.*\r\n)/, `$1c=IN IP4 ${TRUNK}\r\nc=IN IP4 ${STRANGER}\r\n`)],
    ['a group', c('224.1.1.1/127')],
  ])('a description that names %s is refused, in an INVITE and within a call, which goes on', async (_what, change) => {
    const { media, sip } = await scene();
    citizens -= 1;
    const refused = await sip.ask(sip.request('INVITE', `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, {}, change(media.sdp())));
    expect(status(refused)).toBe(488);
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp());
    // The gateway has the call in hand from the ACK on, which has been seen when it plays something.
    await until(() => media.voices > 0, 'the greeting');
    expect(await call.ask('INVITE', {}, change(media.sdp()))).toBe(488);
    const before = media.received;
    await until(() => media.received > before + 5, 'the call to go on');
    expect(await call.ask('INVITE', {}, media.sdp('0.0.0.0'))).toBe(200);
    expect(await call.hangup()).toBe(200);
  });

  it('one of its own is taken, and the citizen is identified', async () => {
    const { media, sip, stranger, name, code } = await scene();
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp());
    stranger.speak(call.remoteMedia);
    media.speak(call.remoteMedia);
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    expect(stranger.received).toBe(0);
    await call.hangup();
  });
});

describe('media that is learned', () => {
  beforeAll(() => open({ mediaSource: 'learn' }));
  afterAll(() => stage.stopAll());
  afterEach(onlyCitizens);

  it('behind a NAT, and nobody else there: the citizen is heard, and hears', async () => {
    const { media, sip, name, code } = await scene();
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp(PRIVATE));
    media.speak(call.remoteMedia);
    await until(() => media.received > 5, 'the media server to be heard');
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    await until(() => media.voices > 10, 'the agent to be heard');
    await call.hangup();
  });

  // FreeSWITCH cannot be told from where it may learn: there it is a matter of the firewall (docs/docker.md).
  it.skipIf(realEngines).each([['a steady voice', false], ['keys', true]])('behind a NAT, a stranger with %s first: the citizen is heard, and hears', async (_what, keys) => {
    const { media, sip, stranger, name, code } = await scene();
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp(PRIVATE));
    if (keys) await stranger.spray(`${attackers}#`, [call.remoteMedia]);
    stranger.speak(call.remoteMedia);
    await until(() => stranger.spoken > 50, 'the stranger to talk');
    expect(media.received).toBe(0);
    media.speak(call.remoteMedia);
    await until(() => media.received > 5, 'the media server to be heard');
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    await until(() => media.voices > 10, 'the agent to be heard');
    // Somebody else at that very address does not take over, nor after another description has come.
    const neighbour = guests.add(await RtpSender.open(TRUNK));
    expect(await call.ask('INVITE', {}, media.sdp(PRIVATE))).toBe(200);
    neighbour.speak(call.remoteMedia);
    await until(() => neighbour.spoken > 35, 'the neighbour to talk');
    expect(stranger.received + neighbour.received).toBe(0);
    await call.hangup();
  });

  it.skipIf(realEngines)('no key of a source counts that is not known yet', async () => {
    const { media, sip, name, code } = await scene();
    const call = await RawCall.make(sip, media as never, dialled, {}, media.sdp(PRIVATE));
    // Of ever new streams none becomes known.
    await media.spray(`${attackers}#`, [call.remoteMedia], { repeat: 10, newStreams: true });
    media.newStream();
    media.speak(call.remoteMedia);
    await until(() => media.received > 5, 'the media server to be heard');
    await media.press(`${code}#`, call.remoteMedia);
    await identified(name);
    await call.hangup();
  });
});
