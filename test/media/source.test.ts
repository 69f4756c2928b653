import { describe, expect, it } from 'vitest';
import { describedAddress, mediaSourceOf, mediaSourceOfPhone, type MediaSource } from '../../gateway/media/source.js';
import { Networks, readSourceRule } from '../../gateway/engines/media-server/rtp/index.js';

const sdp = (session: string[], media: string[] = [], more: string[] = []): string =>
  ['v=0', 'o=- 1 1 IN IP4 203.0.113.5', 's=-', ...session, 't=0 0', 'm=audio 4000 RTP/AVP 8', ...media, 'a=rtpmap:8 PCMA/8000', ...more, ''].join('\r\n');
const c = (address: string): string => `c=IN IP4 ${address}`;
const trunk = (mediaSource: 'described' | 'learn', addresses: string[], mediaAddresses: string[] = []) => ({ addresses, mediaSource, mediaAddresses });
/** What the embedded media server makes of it. */
const asRead = ({ headers }: MediaSource) => readSourceRule({ source: headers['X-Media-Source'], networks: headers['X-Media-Networks'], restricted: headers['X-Media-Restricted'] });
const admits = (source: MediaSource, text: string): boolean => {
  try {
    source.admit(text);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ status: 488 });
    return false;
  }
};

describe('the rule for a peer', () => {
  it('is what its description names, unless its trunk or phone says otherwise', () => {
    expect(mediaSourceOf(undefined, '192.0.2.1').headers).toEqual({ 'X-Media-Source': 'described' });
    expect(mediaSourceOf(trunk('described', ['192.0.2.1']), '192.0.2.1').headers).toEqual({ 'X-Media-Source': 'described' });
    expect(mediaSourceOfPhone('sip:anna@192.0.2.7:5070', undefined, undefined).headers).toEqual({ 'X-Media-Source': 'described' });
    expect(mediaSourceOfPhone('sip:anna@192.0.2.7:5070', trunk('learn', ['192.0.2.0/24']), 'described').headers).toEqual({ 'X-Media-Source': 'described' });
  });

  it('learn: from where the signalling is, and from hosts that the trunk lists; not from a network that it lists', () => {
    expect(mediaSourceOf(trunk('learn', ['192.0.2.0/24', '198.51.100.1', '198.51.100.2/32', '2001:db8::1']), '::ffff:192.0.2.9').headers['X-Media-Networks']).toBe('192.0.2.9, 198.51.100.1, 198.51.100.2');
    expect(mediaSourceOfPhone('sip:anna@192.0.2.7:5070;transport=tcp', trunk('learn', ['192.0.2.0/24']), undefined).headers['X-Media-Networks']).toBe('192.0.2.7');
    expect(mediaSourceOfPhone('<sip:192.0.2.7>', undefined, 'learn').headers).toEqual({ 'X-Media-Source': 'learn' });
    expect(mediaSourceOfPhone('sip:anna@pbx.example', undefined, 'learn').headers).toEqual({ 'X-Media-Source': 'learn' });
  });

  it('mediaAddresses: nothing outside of them, in either mode', () => {
    const learning = mediaSourceOf(trunk('learn', ['192.0.2.1'], ['198.51.100.0/24', '::ffff:203.0.113.0/120', '2001:db8::/32']), '192.0.2.1');
    expect(learning.headers).toEqual({ 'X-Media-Source': 'learn', 'X-Media-Networks': '198.51.100.0/24, 203.0.113.0/24', 'X-Media-Restricted': 'true' });
    for (const source of [learning, mediaSourceOf(trunk('described', ['192.0.2.1'], ['198.51.100.0/24', '203.0.113.0/24']), '192.0.2.1')]) {
      expect([c('198.51.100.9'), c('203.0.113.255'), c('0.0.0.0'), c('192.0.2.1'), c('203.0.114.0')].map((line) => admits(source, sdp([line])))).toEqual([true, true, true, false, false]);
    }
  });

  it('mediaAddresses of IPv6 only: no IPv4 address may be named, and none is learned', () => {
    for (const mode of ['described', 'learn'] as const) {
      const source = mediaSourceOf(trunk(mode, ['192.0.2.1'], ['2001:db8::/32']), '192.0.2.1');
      expect(admits(source, sdp([c('192.0.2.1')]))).toBe(false);
      expect(source.headers['X-Media-Networks']).toBeUndefined();
    }
  });

  it('is read by the embedded media server as it was meant', () => {
    expect(asRead(mediaSourceOf(undefined, undefined))).toEqual({ mode: 'described' });
    const rule = asRead(mediaSourceOf(trunk('learn', ['192.0.2.1'], ['198.51.100.0/24']), '192.0.2.1'));
    expect(rule).toMatchObject({ mode: 'learn', restricted: true, networks: expect.any(Networks) as Networks });
    expect([rule.networks!.has('198.51.100.255'), rule.networks!.has('192.0.2.1')]).toEqual([true, false]);
  });
});

describe('where a description says that its media is', () => {
  it.each([
    ['the session’s line', sdp([c('192.0.2.1')]), '192.0.2.1'],
    ['the stream’s own goes before it', sdp([c('0.0.0.0')], [c('192.0.2.1')]), '192.0.2.1'],
    ['and may be a hold', sdp([c('192.0.2.1')], [c('0.0.0.0')]), '0.0.0.0'],
    ['with line ends of UNIX', sdp([c('192.0.2.1')]).replaceAll('\r\n', '\n'), '192.0.2.1'],
    ['no line at all', sdp([]), undefined],
    ['two of the session', sdp([c('192.0.2.1'), c('192.0.2.2')]), undefined],
    ['two of the session, with one of the stream', sdp([c('192.0.2.1'), c('192.0.2.2')], [c('192.0.2.1')]), undefined],
    ['two of the stream', sdp([], [c('192.0.2.1'), c('192.0.2.2')]), undefined],
    ['one hidden behind a bare carriage return', sdp([`${c('192.0.2.1')}\r${c('192.0.2.2')}`]), undefined],
    ['a name', sdp([c('sbc.example')]), undefined],
    ['half an address', sdp([c('192.0.2')]), undefined],
    ['a number', sdp([c('3221225985')]), undefined],
    ['an address with leading zeros', sdp([c('192.0.2.01')]), undefined],
    ['a group', sdp([c('224.0.0.1/127')]), undefined],
    ['a group without its time to live', sdp([c('239.1.1.1')]), undefined],
    ['several of a range', sdp([c('192.0.2.1/127/3')]), undefined],
    ['IPv6', sdp(['c=IN IP6 ::ffff:192.0.2.1']), undefined],
    ['two streams', `${sdp([c('192.0.2.1')])}m=audio 4002 RTP/AVP 8\r\nc=IN IP4 192.0.2.2\r\n`, undefined],
  ])('%s', (_what, text, address) => {
    expect(describedAddress(text)).toBe(address);
    expect(admits(mediaSourceOf(undefined, undefined), text)).toBe(address !== undefined);
  });

  it('what names other places does not get to a media server', () => {
    const source = mediaSourceOf(undefined, undefined);
    const lines = ['a=rtcp:4001 IN IP4 203.0.113.9', 'a=candidate:1 1 UDP 1 203.0.113.9 4000 typ host', 'a=ice-ufrag:x', 'a=ice-pwd:y', 'a=ice-options:trickle', 'a=remote-candidates:1 203.0.113.9 4000', 'a=end-of-candidates'];
    const kept = ['a=rtcp:4001 IN IP4 192.0.2.1', 'a=rtcp:4001', 'a=rtcp-mux', 'a=ptime:20'];
    expect(source.admit(sdp([c('192.0.2.1')], [], [...lines, ...kept]))).toBe(sdp([c('192.0.2.1')], [], kept));
  });
});
