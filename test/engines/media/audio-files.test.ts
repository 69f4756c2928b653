import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import wavefile from 'wavefile';
import { SoundLibrary } from '../../../gateway/engines/media-server/audio/library.js';
import { resample } from '../../../gateway/engines/media-server/audio/resample.js';
import type { PlayableSource } from '../../../gateway/engines/media-server/audio/sources.js';
import { readWav, writeWav } from '../../../gateway/engines/media-server/audio/wav.js';
import { decode, encode, transcode, type Codec } from '../../../gateway/engines/media-server/rtp/index.js';
import { amplitudeOf, concat, largestStep, sine } from './audio.js';

function tone(frequencyHz: number, rateHz: number, seconds: number, amplitude = 10_000): Int16Array {
  const out = new Int16Array(rateHz * seconds);
  for (let i = 0; i < out.length; i++) out[i] = Math.round(amplitude * Math.sin((2 * Math.PI * frequencyHz * i) / rateHz));
  return out;
}

function file(samples: Int16Array | Int16Array[], rateHz: number, depth = '16', change?: (wav: InstanceType<typeof wavefile.WaveFile>) => void): Uint8Array {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(Array.isArray(samples) ? samples.length : 1, rateHz, '16', Array.isArray(samples) ? samples : [samples]);
  if (depth !== '16') wav.toBitDepth(depth);
  change?.(wav);
  return wav.toBuffer();
}

function readAll(source: PlayableSource, limit = 100_000): Int16Array {
  const frames: Int16Array[] = [];
  let total = 0;
  for (;;) {
    const frame = new Int16Array(160);
    const count = source.read(frame);
    frames.push(frame.slice(0, count));
    total += count;
    if (count < 160 || source.ended || total > limit) return concat(frames);
  }
}

describe('G.711', () => {
  test.each(['PCMA', 'PCMU'] as const)('%s keeps a tone 35 dB above its noise, at every level of speech', (codec) => {
    for (const amplitude of [300, 3000, 30_000]) {
      const original = sine(1020, 8000, amplitude);
      const coded = new Uint8Array(8000);
      encode(codec, original, 8000, coded, 0);
      const back = decode(codec, coded, 0, 8000);
      let [signal, noise] = [0, 0];
      for (let i = 0; i < 8000; i++) {
        signal += original[i]! ** 2;
        noise += (original[i]! - back[i]!) ** 2;
      }
      expect(10 * Math.log10(signal / noise)).toBeGreaterThan(amplitude > 1000 ? 35 : 30);
    }
  });
  test('transcoding there and back changes no code by more than a step', () => {
    for (const [from, to] of [['PCMA', 'PCMU'], ['PCMU', 'PCMA']] as [Codec, Codec][]) {
      const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
      const there = codes.slice();
      transcode(from, there, 0, 256);
      const a = decode(from, codes, 0, 256);
      const b = decode(to, there, 0, 256);
      for (let i = 0; i < 256; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThanOrEqual(Math.max(16, Math.abs(a[i]!) / 16));
    }
  });
});

describe('resampling', () => {
  test('16 kHz to 8 kHz keeps the band and nothing above it', async () => {
    for (const hz of [300, 1000, 2000, 3300]) expect(amplitudeOf((await resample(tone(hz, 16_000, 1), 16_000, 8000)).slice(200, 7800), hz)).toBeGreaterThan(9800);
    for (const hz of [4700, 5000, 6000, 7500]) {
      const out = await resample(tone(hz, 16_000, 1), 16_000, 8000);
      expect(amplitudeOf(out.slice(200, 7800), 8000 - hz)).toBeLessThan(30);
    }
  });
  test.each([11_025, 22_050, 32_000, 44_100, 48_000])('%i Hz', async (rate) => {
    const out = await resample(tone(1000, rate, 1), rate, 8000);
    expect(Math.abs(out.length - 8000)).toBeLessThanOrEqual(1);
    expect(amplitudeOf(out.slice(300, 7700), 1000)).toBeGreaterThan(9800);
    expect(largestStep(out.slice(300, 7700))).toBeLessThan(10_000 * 2 * Math.PI * (1000 / 8000) * 1.05);
  });
});

describe('WAV files', () => {
  test.each([
    ['16 bit 8 kHz', file(tone(1000, 8000, 1), 8000)],
    ['16 bit 16 kHz', file(tone(1000, 16_000, 1), 16_000)],
    ['8 bit', file(tone(1000, 8000, 1), 8000, '8')],
    ['24 bit', file(tone(1000, 8000, 1), 8000, '24')],
    ['float', file(tone(1000, 8000, 1), 8000, '32f')],
    ['A-law', file(tone(1000, 8000, 1), 8000, '16', (wav) => wav.toALaw())],
    ['µ-law', file(tone(1000, 8000, 1), 8000, '16', (wav) => wav.toMuLaw())],
    ['stereo, left channel', file([tone(1000, 8000, 1), tone(300, 8000, 1)], 8000)],
  ])('%s', async (_name, bytes) => {
    const samples = await readWav(bytes);
    expect(Math.abs(samples.length - 8000)).toBeLessThanOrEqual(8);
    expect(amplitudeOf(samples.slice(100, 7900), 1000)).toBeGreaterThan(9600);
    expect(amplitudeOf(samples.slice(100, 7900), 300)).toBeLessThan(150);
  });
  test.each([
    ['nothing', new Uint8Array(0)],
    ['text', Buffer.from('this is no sound at all, just some text of a certain length')],
    ['cut off', file(tone(1000, 8000, 1), 8000).slice(0, 30)],
  ])('%s is refused', async (_name, bytes) => {
    await expect(readWav(bytes)).rejects.toMatchObject({ code: 'WAV_UNREADABLE' });
  });
  test('what is written can be read', async () => {
    const samples = sine(700, 1000);
    expect(await readWav(writeWav(samples))).toEqual(samples);
  });
});

describe('library', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'media-library-'));
    await writeFile(path.join(folder, 'a b.wav'), writeWav(sine(500, 1600)));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('relative, absolute, from an offset, changed on disk, missing', async () => {
    const library = new SoundLibrary(folder);
    expect(readAll((await library.open('a b.wav'))!)).toHaveLength(1600);
    expect(readAll((await library.open(path.join(folder, 'a b.wav@@1000')))!)).toHaveLength(600);
    expect(readAll((await library.open('{timeout=3}a b.wav'))!)).toHaveLength(1600);
    expect(await library.open('none.wav')).toBeUndefined();
    expect(await library.open('http://example.org/x.wav')).toBeUndefined();
    expect(await library.open('.')).toBeUndefined();
    await writeFile(path.join(folder, 'a b.wav'), writeWav(sine(500, 800)));
    await utimes(path.join(folder, 'a b.wav'), 1, 1);
    expect(readAll((await library.open('a b.wav'))!)).toHaveLength(800);
  });

  test('streams', async () => {
    const library = new SoundLibrary(folder);
    expect(readAll((await library.open('silence_stream://250'))!)).toHaveLength(2000);
    expect((await library.open('silence_stream://-1'))!.ended).toBe(false);
    expect(readAll((await library.open('silence_stream://0'))!, 20_000).length).toBeGreaterThan(20_000);
    expect(await library.open('tone_stream://')).toBeUndefined();
    expect(await library.open('silence_stream://x')).toBeUndefined();
    const chain = (await library.open('file_string://silence_stream://100!tone_stream://%(100,0,440)!none.wav'))!;
    expect(readAll(chain)).toHaveLength(1600);
    expect(chain.position).toBe(1600);
  });

  test('tones: pattern, level, several frequencies, keys, repetition', async () => {
    const library = new SoundLibrary();
    const play = async (text: string, limit?: number): Promise<Int16Array> => readAll((await library.open(`tone_stream://${text}`))!, limit);
    const ringing = await play('%(500,250,440);loops=2');
    expect(ringing).toHaveLength(12_000);
    expect(amplitudeOf(ringing.slice(0, 4000), 440)).toBeGreaterThan(9500);
    expect(amplitudeOf(ringing.slice(4000, 6000), 440)).toBe(0);
    expect(amplitudeOf(ringing.slice(6000, 10_000), 440)).toBeGreaterThan(9500);
    const both = await play('v=-13;%(200,0,350,440)');
    expect(amplitudeOf(both, 350)).toBeGreaterThan(4500);
    expect(amplitudeOf(both, 350)).toBeLessThan(5600);
    expect(amplitudeOf(both, 440)).toBeGreaterThan(4500);
    const keys = await play('d=80;w=40;5#');
    expect(keys).toHaveLength(1920);
    expect(amplitudeOf(keys.slice(0, 640), 770)).toBeGreaterThan(8000);
    expect(amplitudeOf(keys.slice(0, 640), 1336)).toBeGreaterThan(8000);
    expect((await play('%(100,100,440);loops=-1', 50_000)).length).toBeGreaterThan(50_000);
    expect(largestStep(await play('%(103,50,440);loops=20'))).toBeLessThan(10_300 * 2 * Math.PI * (440 / 8000) * 1.5);
  });
});
