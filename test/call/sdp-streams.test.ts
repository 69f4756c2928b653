/** Descriptions with several streams, of which one is used. */
import fc from 'fast-check';
import sdpTransform from 'sdp-transform';
import { describe, expect, it } from 'vitest';
import { answerTo, audioOnly, judgeOffer, keepsNumbersOf, leadsToTheSame, offerAfter, sdpOf, withPacketTimeOf } from '../../gateway/sip/sdp.js';

const lines = (...all: string[]) => [...all, ''].join('\r\n');
const audio = ['m=audio 4000 RTP/AVP 0 8 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000', 'a=ptime:30', 'a=sendrecv'];
const head = ['v=0', 'o=phone 7 7 IN IP4 192.0.2.7', 's=-', 'c=IN IP4 192.0.2.7', 't=0 0'];
const video = ['m=video 4002 RTP/AVP 96', 'a=rtpmap:96 H264/90000'];
const both = lines(...head, 'a=group:BUNDLE 0 1', ...video, ...audio);
const ours = lines('v=0', 'o=us 9 3 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', 'm=audio 6000 RTP/AVP 8 101', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000');
const places = (sdp: string) => [...sdp.matchAll(/^m=(\S+) (\d+)/gm)].map(([, kind, port]) => `${kind} ${port}`);

describe('several streams', () => {
  it('only the audio is looked at', () => {
    expect(judgeOffer(both)).toEqual({ ok: true });
    expect(places(audioOnly(both))).toEqual(['audio 4000']);
    expect(audioOnly(both)).not.toContain('BUNDLE');
  });

  it('the answer refuses the others in their places, and so does each later offer', () => {
    const answer = answerTo(both, ours);
    expect(places(answer)).toEqual(['video 0', 'audio 6000']);
    const next = offerAfter(answer, audioOnly(both));
    expect(places(next)).toEqual(['video 0', 'audio 4000']);
    expect(next).toMatch(/^o=us 9 4 IN IP4 192\.0\.2\.1\r?$/m);
  });

  it('are compared by where they lead and by their numbers', () => {
    expect(leadsToTheSame(both, lines(...head, ...audio))).toBe(true);
    expect(leadsToTheSame(both, lines(...head, ...audio).replace('sendrecv', 'sendonly'))).toBe(false);
    expect(keepsNumbersOf(ours, both)).toBe(true);
    expect(keepsNumbersOf(ours.replaceAll('101', '96'), both)).toBe(false);
  });

  it('keep the packet time of the session', () => {
    expect(withPacketTimeOf(ours, both)).toMatch(/^a=ptime:20\r$/m);
    expect(withPacketTimeOf(both, `${ours}a=ptime:20\r\na=maxptime:40\r\n`)).toMatch(/a=ptime:30\r\n$/);
  });

  it('nothing throws, whatever passed as an offer', () => {
    fc.assert(fc.property(fc.string({ maxLength: 60 }), fc.nat(both.length), fc.nat(40), (noise, at, cut) => {
      const mutated = both.slice(0, at) + noise + both.slice(at + cut);
      if (!judgeOffer(mutated).ok) return;
      expect(judgeOffer(audioOnly(mutated)).ok).toBe(true);
      expect(sdpTransform.parse(answerTo(mutated, ours)).media.length).toBe(sdpTransform.parse(mutated).media.length);
      offerAfter(mutated, ours);
      withPacketTimeOf(ours, mutated);
    }), { numRuns: 2_000, examples: [['', 144, 1], ['70000', both.indexOf('4000'), 4]] });
  });
});

describe('bodies', () => {
  it.each([
    ['a description', ours, ours],
    ['a multipart body', `--b\r\nContent-Type: application/sdp\r\n\r\n${ours}\r\n--b\r\nContent-Type: application/isup\r\n\r\nx\r\n--b--\r\n`, `${ours}\r\n`],
    ['something else', '<xml/>', ''],
    ['nothing', undefined, ''],
  ])('%s', (_what, body, sdp) => expect(sdpOf(body)).toBe(sdp));
});
