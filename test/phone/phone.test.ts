import { afterEach, describe, expect, it } from 'vitest';
import { Phone, type CallResult, type PhoneCall, type PhoneEvent } from '../../gateway/phone/index.js';
import { openSipLine, type SipDialog, type SipLine, type SipRequest, type SipResponse } from '../../gateway/phone/sip-line.js';
import { Peers, freePort, msOfTone, startBaresip, startCitizen, startSippAgent, tapRtp, tone, until, type RtpTap } from '../peers/index.js';

const peers = new Peers();
afterEach(() => peers.stopAll(), 20_000);

async function openPhone(): Promise<Phone> {
  const phone = await Phone.open();
  peers.defer(() => phone.close());
  return phone;
}

const uriOf = (peer: { sip: { host: string; port: number } }, user = '100'): string => `sip:${user}@${peer.sip.host}:${peer.sip.port}`;
const kinds = (call: PhoneCall): string[] => call.events.map((event) => event.kind);
function event<K extends PhoneEvent['kind']>(call: PhoneCall, kind: K): Extract<PhoneEvent, { kind: K }> | undefined {
  return call.events.find((candidate): candidate is Extract<PhoneEvent, { kind: K }> => candidate.kind === kind);
}
const saw = (call: PhoneCall, kind: PhoneEvent['kind'], timeoutMs = 8_000): Promise<unknown> =>
  until(() => kinds(call).includes(kind), `${kind} among ${kinds(call).join(' ')}`, timeoutMs);

describe('calls a real telephone', () => {
  it('hears it, is heard, records it, and hangs up by itself', async () => {
    const agent = peers.add(await startBaresip({ toneHz: [900] }));
    const phone = await openPhone();
    const call = phone.call({ to: uriOf(agent, 'agent'), say: { samples: tone([600], 5_000), forever: true }, record: true, hangupAfterMs: 1_500 });
    const result = await call.done;
    expect(result).toMatchObject({ outcome: 'connected', exitCode: 0, endedBy: 'us', statistics: { lost: 0 } });
    expect(result.statistics.packetsReceived).toBeGreaterThan(40);
    expect(kinds(call)).toEqual(expect.arrayContaining(['dialling', 'answered', 'first-audio', 'connected', 'ended']));
    expect(msOfTone(call.heard(), 900)).toBeGreaterThan(800);
    await agent.saw('CALL_CLOSED');
    expect(msOfTone(agent.heard().samples, 600)).toBeGreaterThan(800);
  }, 20_000);

  it('is hung up by it', async () => {
    const agent = peers.add(await startBaresip());
    const call = (await openPhone()).call({ to: uriOf(agent, 'agent') });
    await saw(call, 'connected');
    await agent.command('hangup');
    expect(await call.done).toMatchObject({ outcome: 'connected', endedBy: 'them' });
  }, 20_000);

  it('is put on hold and taken back', async () => {
    const agent = peers.add(await startBaresip());
    const call = (await openPhone()).call({ to: uriOf(agent, 'agent') });
    await saw(call, 'connected');
    await agent.command('hold');
    await saw(call, 'held');
    await agent.command('resume');
    await saw(call, 'resumed');
    await call.hangup('done');
    expect(kinds(call)).not.toContain('media-moved');
    expect((await call.done).endedBy).toBe('us');
  }, 20_000);

  it('speaks SIP over TCP', async () => {
    const agent = peers.add(await startBaresip());
    const call = (await openPhone()).call({ to: uriOf(agent, 'agent'), transport: 'tcp', hangupAfterMs: 200 });
    expect(await call.done).toMatchObject({ outcome: 'connected' });
  }, 20_000);

  it('offers one codec only when asked to', async () => {
    const agent = peers.add(await startBaresip({ codecs: ['pcmu', 'pcma'] }));
    const call = (await openPhone()).call({ to: uriOf(agent, 'agent'), codecs: ['PCMU'], hangupAfterMs: 100 });
    await call.done;
    expect(event(call, 'answered')?.codec).toBe('PCMU');
  }, 20_000);
});

describe('the code', () => {
  it('goes as RFC 4733 events after a while, and is in no report', async () => {
    const agent = peers.add(await startSippAgent({ toneHz: [900], behaviour: { kind: 'answer', afterMs: 100, hangupAfterMs: 60_000 } }));
    const call = (await openPhone()).call({ to: uriOf(agent), code: '0123456789', codeAfterMs: 300 });
    await saw(call, 'pressed');
    await until(() => agent.tap.keys(96) === '0123456789#', 'the keys');
    const pressing = event(call, 'pressing');
    expect(pressing).toMatchObject({ keys: 11, way: 'rfc4733' });
    expect((pressing?.atMs ?? 0) - (event(call, 'answered')?.atMs ?? 0)).toBeGreaterThanOrEqual(290);
    await agent.hangup();
    const result = await call.done;
    // Nobody said that an agent is on the line.
    expect(result).toMatchObject({ outcome: 'hung-up-early', exitCode: 19, endedBy: 'them' });
    expect(result.codeSentAfterMs).toBeGreaterThan(0);
    expect(JSON.stringify([call.events, result])).not.toContain('0123456789');
  }, 20_000);

  it('goes as SIP INFO when told to', async () => {
    const agent = peers.add(await startSippAgent({ toneHz: [900] }));
    const call = (await openPhone()).call({ to: uriOf(agent), code: '42', codeAfterMs: 100, dtmf: 'info' });
    await saw(call, 'pressed');
    const infos = agent.messages().filter((message) => message.firstLine.startsWith('INFO '));
    expect(infos.map((info) => /Signal=(.)/.exec(info.text)?.[1]).join('')).toBe('42#');
    expect(infos[0]?.text).toMatch(/Content-Type: application\/dtmf-relay/i);
    await call.hangup('done');
  }, 20_000);
});

describe('refusals and silence', () => {
  it.each([[403, 10], [404, 11], [488, 12], [486, 13], [503, 15]])('%i ends with exit code %i', async (status, exitCode) => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'reject', status, reason: 'No', afterMs: 20 } }));
    const result = await (await openPhone()).call({ to: uriOf(agent) }).done;
    expect(result).toMatchObject({ exitCode, status, connected: false, endedBy: 'them' });
    expect(result.cause).not.toBe('');
    expect(result.fix).not.toBe('');
  }, 20_000);

  it('gives up on an address where nobody is', async () => {
    const port = await freePort();
    const result = await (await openPhone()).call({ to: `sip:100@127.0.0.1:${port}`, giveUpAfterMs: 500 }).done;
    expect(result).toMatchObject({ outcome: 'unreachable', exitCode: 14 });
  }, 20_000);

  it('notices at once that nobody takes TCP connections there', async () => {
    const port = await freePort();
    const result = await (await openPhone()).call({ to: `sip:100@127.0.0.1:${port}`, transport: 'tcp', giveUpAfterMs: 3_000 }).done;
    expect(result).toMatchObject({ outcome: 'unreachable', exitCode: 14 });
    expect(result.durationMs).toBeLessThan(2_500);
  }, 20_000);

  it('takes a call back that rings for ever', async () => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'ring' } }));
    const call = (await openPhone()).call({ to: uriOf(agent) });
    await saw(call, 'progress');
    await call.hangup('changed my mind');
    expect(await call.done).toMatchObject({ outcome: 'interrupted', exitCode: 130, endedBy: 'us', reason: 'changed my mind' });
    await agent.saw(/^CANCEL /);
    await agent.saw(/^ACK /);
  }, 20_000);

  it('says that no audio came', async () => {
    const agent = peers.add(await startSippAgent());
    const call = (await openPhone()).call({ to: uriOf(agent), code: '1', codeAfterMs: 100 });
    await saw(call, 'notice', 10_000);
    await agent.hangup();
    expect(await call.done).toMatchObject({ outcome: 'no-audio', exitCode: 17 });
  }, 20_000);

  it('gives up when nobody connects it', async () => {
    const agent = peers.add(await startSippAgent({ toneHz: [500] }));
    const call = (await openPhone()).call({ to: uriOf(agent), code: '1', giveUpAfterMs: 2_500 });
    expect(await call.done).toMatchObject({ outcome: 'gave-up', exitCode: 18, endedBy: 'us' });
  }, 20_000);

  it('hears the tone it was told to expect', async () => {
    const agent = peers.add(await startSippAgent({ toneHz: [1_000] }));
    const call = (await openPhone()).call({ to: uriOf(agent), code: '1', expectToneHz: 1_000, hangupAfterMs: 50 });
    expect(await call.done).toMatchObject({ outcome: 'connected' });
    expect(event(call, 'connected')?.how).toBe('tone');
  }, 20_000);
});

/** A gateway in miniature, on drachtio-srf: answers, plays nothing, and does as the test says. */
class MiniGateway {
  readonly calls: { request: SipRequest; dialog: SipDialog }[] = [];
  private constructor(readonly line: SipLine, readonly tap: RtpTap) {}

  static async open(): Promise<MiniGateway> {
    const line = await openSipLine({ host: '127.0.0.1', port: 0 });
    peers.defer(() => line.close());
    const gateway = new MiniGateway(line, peers.add(await tapRtp()));
    line.srf.invite((request: SipRequest, response: SipResponse) => {
      response.send(180);
      void line.srf.createUAS(request, response, { localSdp: gateway.description(), headers: {} }).then((dialog) => {
        gateway.calls.push({ request, dialog });
      });
    });
    return gateway;
  }

  get sip(): { host: string; port: number } {
    return this.line.address;
  }

  description(options: { version?: number; port?: number; direction?: string } = {}): string {
    return ['v=0', `o=- 7 ${options.version ?? 1} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${options.port ?? this.tap.port} RTP/AVP 8 96`,
      'a=rtpmap:8 PCMA/8000', 'a=rtpmap:96 telephone-event/8000', `a=${options.direction ?? 'sendrecv'}`, ''].join('\r\n');
  }

  async call(): Promise<{ request: SipRequest; dialog: SipDialog }> {
    return until(() => this.calls[0], 'the call to come', 8_000);
  }
}

const info = (state: string): { method: string; headers: Record<string, string>; body: string } =>
  ({ method: 'INFO', headers: { 'Info-Package': 'identity-gateway.call-state', 'Content-Type': 'text/plain', 'Content-Disposition': 'Info-Package' }, body: state });

describe('in-dialog requests', () => {
  it('asks for the call state and believes it', async () => {
    const gateway = await MiniGateway.open();
    const call = (await openPhone()).call({ to: uriOf(gateway), code: '1' });
    const { request, dialog } = await gateway.call();
    expect(request.get('Recv-Info')).toBe('identity-gateway.call-state');
    for (const state of ['greeting', 'waiting', 'nonsense', 'connected']) expect((await dialog.request(info(state))).status).toBe(200);
    await saw(call, 'connected');
    expect(call.events.flatMap((e) => (e.kind === 'told' ? [e.state] : []))).toEqual(['greeting', 'waiting', 'connected']);
    expect((await dialog.request({ method: 'INFO', headers: { 'Info-Package': 'something-else' } })).status).toBe(489);
    expect((await dialog.request({ method: 'OPTIONS' })).status).toBe(200);
    await dialog.destroy({ headers: { Reason: 'Q.850;cause=31;text="All done"' } });
    const result = await call.done;
    expect(result).toMatchObject({ endedBy: 'them', reason: 'All done, Q.850 cause 31' });
    expect(result.connectedAfterMs).toBeDefined();
  }, 20_000);

  it('does not take an answer for a connection when the other side tells its state', async () => {
    const gateway = await MiniGateway.open();
    const call = (await openPhone()).call({ to: uriOf(gateway) });
    const { dialog } = await gateway.call();
    await dialog.request(info('greeting'));
    await dialog.destroy();
    expect((await call.done).connected).toBe(false);
  }, 20_000);

  it('follows its audio to another address, whoever offers, and counts that as connected', async () => {
    const gateway = await MiniGateway.open();
    const elsewhere = peers.add(await tapRtp());
    const call = (await openPhone()).call({ to: uriOf(gateway), code: '1', codeAfterMs: 60_000, say: { samples: tone([700], 1_000), forever: true } });
    const { dialog } = await gateway.call();
    await until(() => msOfTone(gateway.tap.pcm(), 700) > 100, 'the phone at the first address');
    const modify = dialog as unknown as { modify(sdp: string): Promise<string> };
    const answer = await modify.modify(gateway.description({ version: 2, port: elsewhere.port }));
    expect(answer).toContain('m=audio');
    await until(() => msOfTone(elsewhere.pcm(), 700) > 100, 'the phone at the second address');
    expect(event(call, 'connected')?.how).toBe('moved');
    const held = await modify.modify(gateway.description({ version: 3, port: elsewhere.port, direction: 'sendonly' }));
    expect(held).toContain('a=recvonly');
    await saw(call, 'held');
    await call.hangup('done');
  }, 20_000);

  it('offers when a re-INVITE asks it to', async () => {
    const gateway = await MiniGateway.open();
    const elsewhere = peers.add(await tapRtp());
    const call = (await openPhone()).call({ to: uriOf(gateway), code: '1', codeAfterMs: 60_000, say: { samples: tone([700], 1_000), forever: true } });
    const { dialog } = await gateway.call();
    const late = dialog as unknown as { modify(options: { noAck: boolean }): Promise<{ sdp: string; ack: (sdp: string) => void }> };
    const { sdp, ack } = await late.modify({ noAck: true });
    expect(sdp).toContain('PCMA');
    ack(gateway.description({ version: 2, port: elsewhere.port }));
    await until(() => msOfTone(elsewhere.pcm(), 700) > 100, 'the phone at the second address');
    await saw(call, 'media-moved');
    await call.hangup('done');
  }, 20_000);

  it('refuses what it cannot do and stays in the call', async () => {
    const gateway = await MiniGateway.open();
    const call = (await openPhone()).call({ to: uriOf(gateway), code: '1', codeAfterMs: 60_000 });
    const { dialog } = await gateway.call();
    const reinvite = async (body: string): Promise<number> =>
      (await dialog.request({ method: 'INVITE', headers: { 'Content-Type': 'application/sdp', Contact: `<sip:gw@127.0.0.1:${gateway.sip.port}>` }, body })).status;
    expect(await reinvite(gateway.description({ version: 2 }).replace('RTP/AVP 8 96', 'RTP/AVP 18 96'))).toBe(488);
    expect((await dialog.request({ method: 'REFER', headers: { 'Refer-To': '<sip:x@127.0.0.1>' } })).status).toBe(603);
    expect(call.isEnded).toBe(false);
    await call.hangup('done');
  }, 20_000);
});

describe('credentials', () => {
  it('are given when asked for', async () => {
    const line = await openSipLine({ host: '127.0.0.1', port: 0 });
    peers.defer(() => line.close());
    line.srf.invite((request, response) => {
      const given = request.get('Proxy-Authorization');
      if (!given) {
        response.send(407, { headers: { 'Proxy-Authenticate': 'Digest realm="test", nonce="abc123", algorithm=MD5, qop="auth"' } });
        return;
      }
      response.send(/username="jan"/.test(given) ? 486 : 403);
    });
    const phone = await openPhone();
    const to = `sip:1@127.0.0.1:${line.address.port}`;
    expect(await phone.call({ to }).done).toMatchObject({ outcome: 'not-allowed', status: 407 });
    expect(await phone.call({ to, auth: { username: 'jan', password: 'geheim' } }).done).toMatchObject({ outcome: 'busy', status: 486 });
  }, 20_000);
});

describe('answers', () => {
  async function answering(options: Parameters<Phone['answer']>[0] = {}): Promise<{ phone: Phone; calls: PhoneCall[] }> {
    const phone = await openPhone();
    const calls: PhoneCall[] = [];
    phone.answer({ answerAfterMs: 100, ...options, onCall: (call) => calls.push(call) });
    return { phone, calls };
  }

  it('rings, greets with two tones, and is hung up', async () => {
    const { phone, calls } = await answering();
    const citizen = peers.add(await startCitizen({ to: phone.sip, user: 'phone', toneHz: [700] }));
    await citizen.answered();
    await citizen.saw(/^SIP\/2.0 180/);
    await until(() => msOfTone(citizen.tap.pcm(), 660) > 200 && msOfTone(citizen.tap.pcm(), 550) > 200, 'the greeting');
    await citizen.hangup();
    const result = await until(() => calls[0], 'the call').then((call) => call.done);
    expect(result).toMatchObject({ outcome: 'connected', endedBy: 'them' });
    expect(await citizen.exited).toBe(0);
  }, 20_000);

  it('says what it was given, takes a late offer, and hangs up by itself', async () => {
    const { phone, calls } = await answering({ say: { samples: tone([850], 1_000), forever: true }, hangupAfterMs: 800, answerAfterMs: 0 });
    const citizen = peers.add(await startCitizen({ to: phone.sip, user: 'phone', lateOffer: true, toneHz: [700] }));
    await citizen.answered();
    await until(() => msOfTone(citizen.tap.pcm(), 850) > 200, 'what it says');
    await citizen.saw(/^BYE /, { direction: 'received' });
    expect(await calls[0]?.done).toMatchObject({ outcome: 'connected', endedBy: 'us' });
  }, 20_000);

  it('is not troubled by a caller who gives up', async () => {
    const { phone, calls } = await answering({ answerAfterMs: 5_000 });
    const citizen = peers.add(await startCitizen({ to: phone.sip, user: 'phone', cancelAfterMs: 300 }));
    expect(await citizen.status()).toBe(487);
    expect(await calls[0]?.done).toMatchObject({ endedBy: 'them', connected: false });
  }, 20_000);

  it('refuses a codec it does not speak, and a call too many', async () => {
    const { phone, calls } = await answering({ maxCalls: 1, codecs: ['PCMU'] });
    const other = peers.add(await startCitizen({ to: phone.sip, user: 'phone', codec: 'pcma' }));
    expect(await other.status()).toBe(488);
    await until(() => calls[0]?.isEnded, 'the end of the first');
    const first = peers.add(await startCitizen({ to: phone.sip, user: 'phone', codec: 'pcmu' }));
    await first.answered();
    const second = peers.add(await startCitizen({ to: phone.sip, user: 'phone', codec: 'pcmu' }));
    expect(await second.status()).toBe(486);
  }, 20_000);

  it('calls itself: two of these phones talk', async () => {
    const { phone } = await answering();
    const call = (await openPhone()).call({ to: phone.uri, hangupAfterMs: 500, record: true });
    const result: CallResult = await call.done;
    expect(result).toMatchObject({ outcome: 'connected', statistics: { lost: 0 } });
    expect(msOfTone(call.heard(), 660)).toBeGreaterThan(200);
  }, 20_000);

  it('hands over the INVITE, and says within a call who is there now', async () => {
    const line = await openSipLine({ host: '127.0.0.1', port: 0 });
    peers.defer(() => line.close());
    const said: (string | undefined)[] = [];
    line.srf.invite((request, response) => {
      void line.srf.createUAS(request, response, { localSdp: request.body ?? '', headers: {} }).then((dialog) => {
        dialog.on('update', (update: SipRequest, answer: SipResponse) => {
          said.push(update.get('P-Asserted-Identity'));
          answer.send(200);
        });
      });
    });
    const call = (await openPhone()).call({ to: `sip:queue@${line.address.host}:${line.address.port}` });
    await saw(call, 'answered');
    expect(await call.update({ 'P-Asserted-Identity': '<sip:202@127.0.0.1>' })).toBe(200);
    expect(said).toEqual(['<sip:202@127.0.0.1>']);
    await call.hangup('done');
    expect(await call.update({})).toBeUndefined();

    const invitations: (string | undefined)[] = [];
    const phone = await openPhone();
    phone.answer({ answerAfterMs: 100, onCall: (_call, invitation) => invitations.push(invitation.get('X-Reference')) });
    const other = (await openPhone()).call({ to: phone.uri, headers: { 'X-Reference': 'a1' } });
    await saw(other, 'connected');
    expect(invitations).toEqual(['a1']);
  }, 20_000);

  it('leaves nothing behind when put away in the middle of calls', async () => {
    const { phone, calls } = await answering();
    const caller = await openPhone();
    const call = caller.call({ to: phone.uri });
    await saw(call, 'connected');
    await Promise.all([phone.close(), caller.close()]);
    expect(calls[0]?.isEnded).toBe(true);
    expect(call.isEnded).toBe(true);
  }, 20_000);
});
