import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import wavefile from 'wavefile';
import { Recording } from '../../gateway/phone/recording.js';
import { UsageError, helpText, parseCommand } from '../../gateway/phone/options.js';
import { meanings, outcomeOfStatus } from '../../gateway/phone/outcome.js';
import { reasonOf } from '../../gateway/phone/call.js';
import { SessionDescriptionError, readDescription, writeAnswer, writeOffer } from '../../gateway/phone/session-description.js';
import { SampleSource, greeting, readWavFile } from '../../gateway/phone/sources.js';
import { line } from '../../gateway/phone/timeline.js';
import { ToneWatch } from '../../gateway/phone/tone-watch.js';
import { msOfTone, tone } from '../../gateway/phone/tone.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'tig-phone-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

describe('the command line', () => {
  const problemsOf = (...args: string[]): readonly string[] => {
    try {
      parseCommand(args);
    } catch (error) {
      if (error instanceof UsageError) return error.problems;
    }
    return [];
  };

  it('has sensible defaults', () => {
    expect(parseCommand(['--code', '0123456789'])).toMatchObject({
      mode: 'dial', to: 'sip:+31201234567@127.0.0.1:5060', code: '0123456789', dtmf: 'rfc4733', transport: 'udp', codeAfterMs: 1_500, json: false,
    });
  });

  it('makes a URI of a number and of a URI without scheme', () => {
    expect(parseCommand(['--to', '+31201111111']).to).toBe('sip:+31201111111@127.0.0.1:5060');
    expect(parseCommand(['--to', '100@192.0.2.1']).to).toBe('sip:100@192.0.2.1');
  });

  it('names everything wrong at once', () => {
    expect(problemsOf('--to', 'nobody', '--dtmf', 'inband', '--hangup-after', 'soon', '--codec', 'opus', '--listen', 'here', '--code', '12a')).toHaveLength(6);
  });

  it('never repeats a code', () => {
    for (const problems of [problemsOf('--code', '01234x6789'), problemsOf('0123456789'), problemsOf('--kode', '0123456789'), problemsOf('--kode=0123456789')]) {
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join(' ')).not.toMatch(/0123/);
    }
  });

  it('keeps the two modes apart', () => {
    expect(problemsOf('--answer', '--code', '123')).toEqual(['--code makes no sense with --answer']);
    expect(problemsOf('--calls', '3')).toEqual(['--calls makes no sense without --answer']);
    expect(parseCommand(['--answer'])).toMatchObject({ mode: 'answer', listen: { host: '127.0.0.1', port: 5070 } });
  });

  it('explains itself, with every exit code', () => {
    for (const { exitCode, cause } of Object.values(meanings)) expect(helpText).toContain(`${exitCode}  ${cause}`);
    expect(new Set(Object.values(meanings).map((meaning) => meaning.exitCode)).size).toBe(Object.keys(meanings).length);
  });
});

describe('refusals', () => {
  it.each([[403, 'not-allowed'], [404, 'unknown-number'], [488, 'no-common-codec'], [486, 'busy'], [603, 'busy'], [408, 'unreachable'], [503, 'unavailable'], [480, 'unavailable'], [420, 'refused']] as const)(
    '%i means %s', (status, outcome) => { expect(outcomeOfStatus(status)).toBe(outcome); });

  it('reads a Reason header', () => {
    const message = (reason: string): { get(name: string): string; has(name: string): boolean } => ({ get: () => reason, has: () => true });
    expect(reasonOf(message('Q.850;cause=16;text="Normal call clearing"'))).toBe('Normal call clearing, Q.850 cause 16');
    expect(reasonOf(message('SIP;cause=480'))).toBe('SIP cause 480');
    expect(reasonOf(message(''))).toBe('no reason given');
    expect(reasonOf(undefined)).toBe('no reason given');
  });
});

describe('session descriptions', () => {
  const local = { address: '127.0.0.1', port: 4_000, codecs: ['PCMA', 'PCMU'] as const, sessionId: 1 };
  const describeWith = (lines: string): string => ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', ...lines.split('\n'), ''].join('\r\n');

  it('understands its own offer', () => {
    expect(readDescription(writeOffer(local, 1), ['PCMU'])).toMatchObject({
      remote: { address: '127.0.0.1', port: 4_000 }, types: { codec: 'PCMU', audio: 0, telephoneEvent: 101 }, direction: 'sendrecv',
    });
  });

  it('takes the offer\'s payload types and its first known codec', () => {
    const peer = readDescription(describeWith('m=audio 6000 RTP/AVP 111 97 8 96 98\na=rtpmap:111 opus/48000/2\na=rtpmap:97 PCMU/8000\na=rtpmap:96 telephone-event/48000\na=rtpmap:98 telephone-event/8000\na=ptime:40'), local.codecs);
    expect(peer.types).toEqual({ codec: 'PCMU', audio: 97, telephoneEvent: 98, framesPerPacket: 2 });
    const answer = writeAnswer(local, peer, 1);
    expect(answer).toContain('m=audio 4000 RTP/AVP 97 98');
    expect(answer).not.toContain('opus');
  });

  it('answers hold, in today\'s manner and yesterday\'s', () => {
    const sendonly = readDescription(describeWith('m=audio 6000 RTP/AVP 8\na=sendonly'), local.codecs);
    expect(sendonly.direction).toBe('recvonly');
    expect(writeAnswer(local, sendonly, 1)).toContain('a=recvonly');
    const old = readDescription(describeWith('m=audio 6000 RTP/AVP 8').replace('c=IN IP4 192.0.2.1', 'c=IN IP4 0.0.0.0'), local.codecs);
    expect(old).toMatchObject({ direction: 'recvonly', remote: { port: 0 } });
    expect(readDescription(describeWith('m=audio 6000 RTP/AVP 8').replace('t=0 0', 't=0 0\r\na=inactive'), local.codecs).direction).toBe('inactive');
  });

  it.each([
    ['a codec we do not speak', describeWith('m=audio 6000 RTP/AVP 18\na=rtpmap:18 G729/8000'), 'SDP_NO_COMMON_CODEC'],
    ['a refused stream', describeWith('m=audio 0 RTP/AVP 8'), 'SDP_NO_COMMON_CODEC'],
    ['an encrypted stream', describeWith('m=audio 6000 RTP/SAVP 8'), 'SDP_NO_COMMON_CODEC'],
    ['another protocol version', describeWith('m=audio 6000 RTP/AVP 8').replace(/IP4 192\.0\.2\.1/g, 'IP6 ::1'), 'SDP_UNREADABLE'],
    ['nothing', '', 'SDP_NO_COMMON_CODEC'],
    ['far too much', 'v=0\r\n'.repeat(5_000), 'SDP_UNREADABLE'],
  ])('refuses %s', (_what, text, code) => {
    expect(() => readDescription(text, local.codecs)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

describe('hostile session descriptions', () => {
  const valid = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', 'm=audio 6000 RTP/AVP 0 8 101', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', 'a=rtcp:6001', 'a=ptime:20', 'a=sendrecv', ''];
  it('are read as something usable, or refused by name', () => {
    fc.assert(fc.property(
      fc.array(fc.record({ line: fc.nat(valid.length - 1), at: fc.nat(40), put: fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('99999', '-1', '0', '', ' ', 'NaN', '\r\n', '__proto__')) }), { maxLength: 6 }),
      (mutations) => {
        const lines = [...valid];
        for (const { line: index, at, put } of mutations) {
          const before = lines[index] ?? '';
          lines[index] = before.slice(0, at) + put + before.slice(at + put.length);
        }
        try {
          const peer = readDescription(lines.join('\r\n'), ['PCMA', 'PCMU']);
          expect(peer.remote.port).toBeGreaterThanOrEqual(0);
          expect(peer.remote.port).toBeLessThanOrEqual(65_535);
          expect(['PCMA', 'PCMU']).toContain(peer.types.codec);
          expect([1, 2, 3]).toContain(peer.types.framesPerPacket);
        } catch (error) {
          if (!(error instanceof SessionDescriptionError)) throw error;
        }
      },
    ), { numRuns: 5_000 });
  });
});

describe('sound', () => {
  it.each([8_000, 16_000, 44_100])('reads a WAV file of %i Hz', (rate) => {
    const file = path.join(folder, `in-${rate}.wav`);
    const wav = new wavefile.WaveFile();
    wav.fromScratch(1, rate, '16', tone([700], 500, rate));
    wavToFile(file, wav.toBuffer());
    const samples = readWavFile(file);
    expect(Math.abs(samples.length - 4_000)).toBeLessThan(10);
    expect(msOfTone(samples, 700)).toBeGreaterThan(400);
  });

  it('says what is wrong with a file', () => {
    expect(() => readWavFile(path.join(folder, 'none.wav'))).toThrow(/ENOENT/);
    wavToFile(path.join(folder, 'bad.wav'), new Uint8Array(100));
    expect(() => readWavFile(path.join(folder, 'bad.wav'))).toThrow(/no WAV file/);
  });

  it('plays once, or over and over', () => {
    const samples = Int16Array.from({ length: 200 }, (_, i) => i);
    const frame = new Int16Array(160);
    const once = new SampleSource(samples);
    expect([once.read(frame), once.read(frame), once.read(frame)]).toEqual([160, 40, 0]);
    const forever = new SampleSource(samples, true);
    forever.read(frame);
    expect(forever.read(frame)).toBe(160);
    expect(frame[40]).toBe(0);
    expect(new SampleSource(new Int16Array(0), true).read(frame)).toBe(0);
    expect(msOfTone(greeting(), 660)).toBeGreaterThan(300);
  });

  it('writes what was heard and said', () => {
    const recording = new Recording();
    recording.addHeard(tone([600], 400));
    recording.addSaid(tone([900], 200));
    const file = path.join(folder, 'out.wav');
    recording.save(file);
    expect(msOfTone(readWavFile(file), 600)).toBe(400);
    expect(msOfTone(recording.heard(), 900)).toBe(0);
  });

  it('waits for a tone that stays', () => {
    const watch = new ToneWatch(800, 200);
    expect(watch.hear(tone([800], 160))).toBe(false);
    expect(watch.hear(tone([500], 160))).toBe(false);
    expect(watch.hear(tone([800], 400))).toBe(true);
  });
});

describe('the timeline', () => {
  it('lets no control characters of a peer through', () => {
    expect(line({ kind: 'ended', by: 'them', why: 'x\u001b[31my', atMs: 1_234 }, false)).toBe('   1.23 s  ended by the other side: x?[31my');
  });
});

function wavToFile(file: string, bytes: Uint8Array): void {
  writeFileSync(file, bytes);
}
