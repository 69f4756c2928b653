/** Callers of every legitimate kind: what they offer, how they press keys, how their trunk writes its messages. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sleep, until } from '../peers/index.js';
import { modes, Stage, citizenHz, agentHz, follow, type CallerOptions } from './interop/stage.js';
import type { DescribeOptions } from './interop/media.js';
import { Phone } from './interop/phone.js';
import { realEngines } from '../support/gateway.js';

let stage: Stage;
beforeAll(async () => { stage = await Stage.start(); });
afterEach(() => stage.clear());
afterAll(() => stage?.stop());

const video = 'm=video 40000 RTP/AVP 96 97\r\na=rtpmap:96 H264/90000\r\na=rtpmap:97 VP8/90000\r\na=sendrecv';

describe.each(modes)('offers, %s', (mode) => {
  it.each<[string, DescribeOptions]>([
    ['µ-law alone', { formats: ['0', '101'] }],
    ['A-law alone', { formats: ['8', '101'] }],
    ['foreign codecs first', { formats: ['18', '9', '111', '0', '8', '101'] }],
    ['keys as payload type 96', { formats: ['0', '8', '96'], events: 96 }],
    ['keys as payload type 127, 30 ms', { formats: ['8', '127'], events: 127, ptime: 30 }],
    ['no rtpmap for static types', { formats: ['0', '8', '101'], attributes: ['rtpmap:101 telephone-event/8000', 'fmtp:101 0-15'].map((line) => `a=${line}`), rtpmap: false }],
    ['the address at the media line, 10 ms', { connectionAt: 'media', ptime: 10 }],
  ])('%s', async (_what, description) => {
    const { caller, agent } = await stage.converse(mode, { caller: { describe: description } });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it.each<[string, DescribeOptions, number]>([
    ['video after the audio', { more: [video] }, 1],
    ['video before the audio', { before: [video] }, 0],
    ['a secure audio line first', { before: ['m=audio 40002 RTP/SAVP 0 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz'] }, 0],
  ])('%s is refused in its place, in every description', async (_what, description, refused) => {
    const { caller, agent, agentLeg } = await stage.converse(mode, { caller: { describe: description } });
    const sections = (sdp: string) => [...sdp.matchAll(/^m=(\S+) (\d+)/gm)].map(([, kind, port]) => ({ kind, open: port !== '0' }));
    const theirs = [caller.final, ...caller.leg.heard.filter((message) => message.status === undefined && message.method === 'INVITE')].map((message) => message.body);
    expect(theirs.length).toBe(mode === 'released' ? 2 : 1);
    for (const sdp of theirs) {
      expect(sections(sdp)).toHaveLength(2);
      expect(sections(sdp)[refused]!.open).toBe(false);
      expect(sections(sdp)[1 - refused]).toEqual({ kind: 'audio', open: true });
    }
    for (const message of agentLeg.heard.filter((each) => each.method === 'INVITE')) expect(sections(message.body)).toEqual([{ kind: 'audio', open: true }]);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it.each<[string, DescribeOptions]>([['µ-law alone', { formats: ['0', '101'] }], ['a payload type of its own for keys', { formats: ['8', '96'], events: 96 }]])('in the ACK, %s', async (_what, description) => {
    const { caller, agent } = await stage.converse(mode, {
      caller: { late: true, describe: description },
      // The two numbers are settled by a re-INVITE right after the ACK.
      type: async ({ media, code }) => {
        await sleep(500);
        await media.press(code);
      },
    });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it('on hold at first', async () => {
    const agent = await stage.agent(mode);
    const caller = await stage.dial(mode, { describe: { direction: 'inactive' } });
    expect(caller.final.status).toBe(200);
    await sleep(300);
    const resumed = await caller.leg.reinvite(caller.media.describe({ direction: 'sendrecv' }).replace(/^(o=\S+ \d+) 1/m, '$1 2'));
    expect(resumed.status).toBe(200);
    follow(caller.media, resumed.body);
    await caller.media.press(`${caller.code}#`);
    await stage.connected(caller, agent);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it('within a multipart body, as carriers with ISUP or locations send it', async () => {
    const make = (sdp: string) => `--=_b1\r\nContent-Type: application/sdp\r\n\r\n${sdp}\r\n--=_b1\r\nContent-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n\r\nabc\r\n--=_b1--\r\n`;
    let offered = '';
    const agent = await stage.agent(mode);
    const caller = await stage.dial(mode, {
      type: 'multipart/mixed;boundary="=_b1"',
      leg: (leg) => {
        const invite = leg.invite.bind(leg);
        leg.invite = async (options, ack) => {
          offered = options.sdp!;
          const final = await invite({ ...options, sdp: make(offered) }, ack);
          leg.localSdp = offered;
          return final;
        };
      },
    });
    expect(caller.final.status).toBe(200);
    await caller.media.press(`${caller.code}#`);
    await stage.connected(caller, agent);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });
});

describe('offers that cannot be taken', () => {
  it.each<[string, CallerOptions, number, RegExp?]>([
    ['foreign codecs alone', { describe: { formats: ['18', '9', '101'] } }, 488],
    ['secure media alone', { sdp: 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n' }, 488],
    ['audio refused by the caller', { describe: { port: 0 } }, 488],
    ['IPv6 media', { sdp: 'v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n' }, 488],
    ['a body that is no description', { sdp: '<a/>', type: 'application/xml' }, 415, /application\/sdp/],
    ['an extension we do not have', { headers: { Require: '100rel, x-unheard-of' } }, 420, /x-unheard-of/],
  ])('%s', async (_what, options, status, told) => {
    const caller = await stage.dial('anchored', options);
    expect(caller.final.status).toBe(status);
    if (told) expect(`${caller.final.get('accept')} ${caller.final.get('unsupported')}`).toMatch(told);
    await stage.gateway.untilEmpty();
  });
});

describe('keys', () => {
  const codeOnly: Parameters<Stage['converse']>[1] = { caller: { speaks: false } };

  it.each([
    ['fast: 40 ms, 40 ms apart', { toneMs: 40, gapMs: 40 }],
    ['held for long', { toneMs: 1_200, gapMs: 100 }],
  ])('%s', async (_what, keys) => {
    const { caller, agent } = await stage.converse('anchored', { keys });
    await stage.end(caller, agent);
  });

  it('a key held for three seconds is one key', async () => {
    const { caller, agent } = await stage.converse('anchored', {
      type: async ({ media, code }) => {
        await media.press(code.slice(0, 1), { toneMs: 3_000 });
        await media.press(code.slice(1));
      },
    });
    await stage.end(caller, agent);
  });

  it('no audio from the caller before the first key, and none after', async () => {
    const { caller, agent } = await stage.converse('anchored', {
      ...codeOnly,
      type: async ({ media, code }) => {
        await sleep(600);
        await media.press(`${code}#`);
        media.silence();
      },
    });
    await until(() => caller.media.heardMs(agentHz) > 200, 'the citizen to hear the agent');
    await stage.end(caller, agent);
  });

  it('corrected with *, without #', async () => {
    const { caller, agent } = await stage.converse('anchored', { type: ({ media, code }) => media.press(`123*${code}`) });
    await stage.end(caller, agent);
  });

  it('too short, then right', async () => {
    const { caller, agent } = await stage.converse('anchored', {
      type: async ({ media, code }) => {
        await media.press('123#');
        await sleep(1_500);
        await media.press(`${code}#`);
      },
    });
    await stage.end(caller, agent);
  });

  const inInfo = (type: string, body: (key: string) => string): Parameters<Stage['converse']>[1] => ({
    caller: { describe: { formats: ['8', '0'] } },
    type: async ({ leg, code }) => {
      for (const key of `${code}#`) expect((await leg.request('INFO', { type, body: body(key) })).status).toBe(200);
    },
  });
  it.each([
    ['application/dtmf-relay', inInfo('application/dtmf-relay', (key) => `Signal=${key}\r\nDuration=160\r\n`)],
    ['application/dtmf-relay with spaces and capitals', inInfo('Application/DTMF-Relay ; charset=utf-8', (key) => `Signal= ${key}\r\nDuration= 250\r\n`)],
    ['application/dtmf', inInfo('application/dtmf', (key) => key)],
    ['application/dtmf with numbers for signs', inInfo('application/dtmf', (key) => (key === '#' ? '11' : `${key}\r\n`))],
  ])('in INFO, %s', async (_what, options) => {
    const { caller, agent } = await stage.converse('anchored', options);
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  // A real FreeSWITCH takes the described port and no other (docs/whose-call.md).
  it.skipIf(realEngines)('media from another port than described (NAT), beginning late', async () => {
    const { caller, agent } = await stage.converse('anchored', {
      caller: { natted: true, speaks: false },
      type: async ({ media, code }) => {
        await sleep(800);
        media.say(citizenHz);
        await sleep(300);
        await media.press(code);
      },
    });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });

  it('over a network that loses 5 %, repeats and reorders', async () => {
    let seed = 4711;
    const random = () => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) / 0x7fffffff;
    const { caller, agent } = await stage.converse('anchored', {
      keys: { toneMs: 100, gapMs: 80 },
      caller: {
        media: (media) => {
          media.network = (packet, deliver) => {
            const fate = random();
            if (fate < 0.05) return;
            if (fate < 0.1) deliver(packet);
            if (fate > 0.9) setTimeout(() => deliver(packet), 25);
            else deliver(packet);
          };
        },
      },
    });
    await stage.hearEachOther(caller, agent);
    await stage.end(caller, agent);
  });
});

describe('how trunks write', () => {
  it.each<[string, CallerOptions]>([
    ['names in UTF-8 and escaped signs', { from: '"Zoë \\"de\\" Citoÿen 名前" <sip:%2B31612345678;phone-context=nl@127.0.0.1;user=phone>', to: '"Gemeente; <Ümlaut>" <sip:+31201234567@example.nl;user=phone>' }],
    ['a very long From', { from: `"${'x'.repeat(900)}" <sip:+31612345678@127.0.0.1;x=${'y'.repeat(500)}>` }],
    ['From without brackets', { from: 'sip:+31612345678@127.0.0.1' }],
    ['From as tel:', { from: '<tel:+31612345678>' }],
    ['an anonymous caller with an asserted identity', { from: '"Anonymous" <sip:anonymous@anonymous.invalid>', headers: { 'P-Asserted-Identity': ['<sip:+31612345678@carrier.nl>', '<tel:+31612345678>'], Privacy: 'id' } }],
    ['a reliable provisional response asked for', { headers: { Require: '100rel', Supported: 'timer, 100rel, replaces' } }],
    ['a Via of another address (NAT)', { via: '10.11.12.13:5060' }],
    ['many headers of carriers', { headers: { 'P-Charging-Vector': 'icid-value=1234bc9876e;icid-generated-at=192.0.6.8', 'History-Info': '<sip:+31201234567@a.nl>;index=1, <sip:x@b.nl?Reason=SIP%3Bcause%3D302>;index=1.1', Diversion: '<tel:+31201112233>;reason=unconditional', 'User-to-User': '56a390f3d2b7310023a2;encoding=hex', Supported: '100rel,timer,histinfo', 'Session-ID': 'ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000' } }],
    ['refreshed by the caller', { headers: { Supported: 'timer', 'Session-Expires': '1800;refresher=uac', 'Min-SE': '90' } }],
    ['refreshed by us', { headers: { Supported: 'timer', 'Session-Expires': '1800;refresher=uas' } }],
    ['a session timer required', { headers: { Require: 'timer', Supported: 'timer', 'Session-Expires': '600;refresher=uac' } }],
  ])('%s', async (_what, options) => {
    const { caller, agent } = await stage.converse('anchored', { caller: options });
    await stage.end(caller, agent);
  });

  it('a session timer is agreed to in the words of RFC 4028', async () => {
    const caller = await stage.dial('anchored', { headers: { Supported: 'timer', 'Session-Expires': '1800;refresher=uac' } });
    expect(caller.final.get('session-expires')).toMatch(/^1800\s*;\s*refresher=uac$/);
    expect(caller.final.all('require').join()).toMatch(/^timer$/);
    expect(caller.final.get('allow')).toMatch(/UPDATE/);
    await stage.end(caller);
  });

  it.each(['sip:%2B31201234567@127.0.0.1', 'sip:0201234567;phone-context=+31@127.0.0.1;user=phone', 'tel:+31-20-123-4567', 'tel:0201234567;phone-context=+31', 'sip:0031201234567:secret@127.0.0.1;transport=udp', 'sip:127.0.0.1'])('dialling %s', async (uri) => {
    const caller = await stage.dial('anchored', { uri });
    expect(caller.final.status).toBe(200);
    await stage.end(caller);
  });

  it('many calls at once on one TCP connection', async () => {
    const trunk = stage.add(await Phone.open(stage.gateway.sip, { transport: 'tcp' }));
    const agent = await stage.agent('anchored');
    const callers = await Promise.all(Array.from({ length: 6 }, () => stage.dial('anchored', { phone: trunk })));
    for (const caller of callers) expect(caller.final.status).toBe(200);
    const [first, ...others] = callers;
    await first!.media.press(first!.code);
    await stage.connected(first!, agent);
    await stage.hearEachOther(first!, agent);
    await Promise.all(others.map((caller) => caller.leg.bye()));
    agent.screen.end();
    await first!.leg.saw('BYE');
    await stage.gateway.untilEmpty();
  });

  it('a BYE right behind the ACK, again and again', async () => {
    for (let round = 0; round < 4; round++) {
      const callers = await Promise.all(Array.from({ length: 4 }, async () => {
        const caller = await stage.dial('anchored', { speaks: false });
        return { caller, ended: await caller.leg.bye() };
      }));
      for (const { caller, ended } of callers) expect([caller.final.status, ended.status]).toEqual([200, 200]);
    }
    await stage.gateway.untilEmpty(4_000);
  });

  it('a BYE that crosses ours', async () => {
    const { caller, agent, agentLeg } = await stage.converse('anchored');
    caller.leg.handlers['BYE'] = () => undefined;
    const ours = agentLeg.bye();
    await caller.leg.saw('BYE');
    const theirs = await caller.leg.bye();
    expect([200, 481]).toContain(theirs.status);
    expect((await ours).status).toBe(200);
    caller.leg.respond(caller.leg.heard.find((message) => message.status === undefined && message.method === 'BYE')!, { status: 481, reason: 'Gone' });
    await agent.screen.told('clear');
    await stage.gateway.untilEmpty();
  });
});
