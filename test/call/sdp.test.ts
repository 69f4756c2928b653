import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { continueSession, judgeOffer, leadingNowhere, openOffer, placeholderPeer } from '../../gateway/sip/sdp.js';
import { serviceOf } from '../../gateway/sip/services.js';
import { Trunks } from '../../gateway/sip/trunks.js';

const offer = ['v=0', 'o=phone 7 7 IN IP4 192.0.2.7', 's=-', 'c=IN IP4 192.0.2.7', 't=0 0', 'm=audio 4000 RTP/AVP 0 8 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000', 'a=sendrecv', ''].join('\r\n');

describe('offers', () => {
  it.each([
    ['G.711 both ways', offer, { ok: true }],
    ['static payload type without a map', offer.replace(/a=rtpmap:[08].*\r\n/g, ''), { ok: true }],
    ['only a codec we do not speak', offer.replace('0 8 101', '18 101').replace(/a=rtpmap:[08].*\r\n/g, 'a=rtpmap:18 G729/8000\r\n'), { ok: false, problem: 'noCommonCodec' }],
    ['encrypted media', offer.replace('RTP/AVP', 'RTP/SAVP'), { ok: false, problem: 'noCommonCodec' }],
    ['a stream that is switched off', offer.replace('audio 4000', 'audio 0'), { ok: false, problem: 'noAudio' }],
    ['no stream', 'v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\n', { ok: false, problem: 'noAudio' }],
    ['something else', 'hello', { ok: false, problem: 'unreadable' }],
    ['too much', `${offer}${'a=x\r\n'.repeat(2_000)}`, { ok: false, problem: 'tooLarge' }],
    ['a codec named by a number', offer.replace('PCMU/8000', '0/8000'), { ok: true }],
  ])('%s', (_what, sdp, verdict) => expect(judgeOffer(sdp)).toEqual(verdict));

  it('never throw, whatever they are', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), fc.nat(offer.length), fc.nat(40), (noise, at, cut) => {
      const mutated = offer.slice(0, at) + noise + offer.slice(at + cut);
      expect(typeof judgeOffer(mutated).ok).toBe('boolean');
      expect(typeof continueSession(mutated, offer)).toBe('string');
    }), { numRuns: 5_000 });
  });

  it('continue the session they belong to, one version on', () => {
    const next = continueSession(openOffer(placeholderPeer('192.0.2.1')), offer);
    expect(next).toMatch(/^o=phone 7 8 IN IP4 192\.0\.2\.7\r?$/m);
  });

  it('lead nowhere but say the same codecs', () => {
    const nowhere = leadingNowhere(`${offer}a=rtcp:4001 IN IP4 192.0.2.7\r\na=candidate:1 1 UDP 1 192.0.2.7 4000 typ host\r\n`, '192.0.2.1');
    expect(nowhere).toMatch(/^m=audio 9 RTP\/AVP 0 8 101\r?$/m);
    expect(nowhere).not.toContain('192.0.2.7');
  });
});

describe('numbers', () => {
  const service = { name: 'desk', numbers: ['+31201234567'], purposes: ['p'], language: 'nl' as const };
  const rest = { name: 'rest', numbers: ['*'], purposes: ['q'], language: 'nl' as const };
  it.each([['+31201234567', 'desk'], ['0201234567', 'desk'], ['0031201234567', 'desk'], ['31201234567', 'desk'], ['+31201234567;phone-context=x', 'desk'], ['+31201234568', 'rest'], ['4567', 'rest'], ['anything', 'rest']])('%s leads to %s', (dialled, name) => {
    expect(serviceOf([service, rest], dialled)?.name).toBe(name);
  });
  it('nobody answers for a number that no service has', () => expect(serviceOf([service], '+4930123456')).toBeUndefined());
});

describe('trunks', () => {
  const trunks = new Trunks([
    { name: 'net', addresses: ['192.0.2.0/24', '2001:db8::/32'], mediaSource: 'described', mediaAddresses: [], bridge: 'anchored', holdMusic: 'ours' },
    { name: 'mapped', addresses: ['::ffff:198.51.100.0/120'], mediaSource: 'described', mediaAddresses: [], bridge: 'anchored', holdMusic: 'ours' },
    { name: 'pbx', addresses: ['192.0.2.9'], mediaSource: 'described', mediaAddresses: [], bridge: 'released', holdMusic: 'ours' },
  ]);
  it.each([['192.0.2.1', 'net'], ['192.0.2.9', 'pbx'], ['2001:db8::1', 'net'], ['::ffff:192.0.2.9', 'pbx'], ['198.51.100.7', 'mapped'], ['192.0.3.1', undefined], ['nonsense', undefined], ['', undefined]])('%s is %s', (address, name) => {
    expect(trunks.of(address)?.name).toBe(name);
  });
});
