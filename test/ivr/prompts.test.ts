import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { languages, musicFile, pauseFile, promptFile, promptNames, promptsFolder, words } from '../../ivr/index.js';
import { problemsIn } from '../../ivr/prompts/check.js';
import { pause, waitingMusic } from '../../ivr/prompts/music.js';
import { readRecording, rmsDbfs } from '../../ivr/prompts/recording.js';
import { promptsReference } from '../../ivr/prompts/reference.js';
import { hashOfText, loadManifest, loadTexts } from '../../ivr/prompts/texts.js';

const texts = loadTexts();
const manifest = loadManifest();
const every = languages.flatMap((language) => promptNames.map((name) => ({ language, name, file: promptFile(language, name) })));

describe('texts and recordings', () => {
  it('say what their texts say now', () => {
    const outdated = every.filter(({ language, name, file }) => manifest[file]?.textSha256 !== hashOfText(texts[language][name]!)).map(({ file }) => file);
    expect(outdated, 'without a recording of the present text: run `npm run prompts`').toEqual([]);
  });

  it.each(languages)('in %s are loud enough, do not clip, begin and end at once', (language) => {
    for (const { name, file } of every.filter((prompt) => prompt.language === language)) {
      const { samples, durationMs } = readRecording(readFileSync(path.join(promptsFolder, file)));
      // In a word or a piece by itself the pauses at both ends weigh more.
      const isShort = !texts[language][name]!.includes(' ') || !/[.?!:]$/u.test(texts[language][name]!);
      expect(durationMs, file).toBe(manifest[file]?.durationMs);
      expect(durationMs, file).toBeGreaterThan(isShort ? 500 : 800);
      expect(durationMs, file).toBeLessThan(15_000);
      expect(rmsDbfs(samples), file).toBeGreaterThan(isShort ? -21.5 : -20);
      expect(rmsDbfs(samples), file).toBeLessThan(-16);
      let peak = 0;
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
      expect(20 * Math.log10(peak / 32768), file).toBeLessThan(-0.5);
      const audible = (from: number, to: number) => samples.subarray(from, to).some((sample) => Math.abs(sample) > 400);
      expect(audible(0, 8 * 250), `${file}: more than a quarter of a second of silence first`).toBe(true);
      expect(audible(samples.length - 8 * 500, samples.length), `${file}: more than half a second of silence last`).toBe(true);
    }
  });

  it('has no recordings nobody knows', () => {
    expect(Object.keys(manifest).sort()).toEqual(every.map(({ file }) => file).sort());
    for (const language of languages) {
      expect(readdirSync(path.join(promptsFolder, language)).sort()).toEqual(promptNames.map((name) => `${name}.wav`).sort());
    }
  });

  it('keeps the rules of the texts: short sentences, and one wording for every code that does not work', () => {
    for (const language of languages) {
      for (const sentence of Object.values(texts[language]).flatMap((text) => text.split(/[.?!]/u))) {
        expect(sentence.trim().split(/\s+/u).length, sentence).toBeLessThanOrEqual(16);
      }
      expect(Object.keys(texts[language]).filter((name) => /used|expired|unknown/u.test(name))).toEqual([]);
    }
  });
});

describe('a sentence that names a key', () => {
  const spoken = { nl: { '0': 'nul', '1': 'één', '2': 'twee', '#': 'hekje', '*': 'sterretje' }, en: { '0': 'zero', '1': 'one', '2': 'two', '#': 'hash key', '*': 'star key' } };
  it.each([
    ['no-code', '0'], ['close-with-hash', '#'], ['offer-identify', '1'], ['hear-it-again', '*'], ['callback-offer', '1'], ['callback-offer-later', '1'], ['callback-begin', '0'],
    ['callback-number-right', '12'], ['callback-ready', '1'], ['callback-no-code', '0'], ['whisper-pin', '0'], ['whisper-take', '12'],
  ] as const)('%s: has %s last, and no other', (name, keys) => {
    for (const language of languages) {
      const text = texts[language][name];
      expect(text.endsWith(`${spoken[language][keys.at(-1) as keyof (typeof spoken)['nl']]}.`), text).toBe(true);
      const named = Object.entries(spoken[language]).filter(([, word]) => new RegExp(`(?<!\\p{L})${word}(?!\\p{L})`, 'u').test(text)).map(([key]) => key);
      expect(named.sort().join(''), text).toBe(keys);
    }
  });
});

describe('the words that pages show and telephones speak', () => {
  it.each(languages)('are 64 in %s, short, easy to spell, and no two alike', (language) => {
    const list = words[language];
    expect(list).toHaveLength(64);
    for (const word of list) expect(word).toMatch(/^[a-z]{3,10}$/u);
    const alike = list.flatMap((one, i) => list.slice(i + 1).filter((other) => editsBetween(one, other) < 2 || one.slice(1) === other.slice(1)).map((other) => `${one}/${other}`));
    expect(alike).toEqual([]);
  });

  it('keep their places: an index is in recordings and stored sessions', () => {
    expect([0, 21, 42, 63].map((index) => [words.nl[index], words.en[index]])).toEqual([['arend', 'eagle'], ['kikker', 'frog'], ['slang', 'snake'], ['zwembad', 'pool']]);
  });
});

/** Letters to add, drop or change to make one word the other (Levenshtein). */
function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j += 1) next.push(Math.min(row[j]! + (letter === other[j] ? 0 : 1), row[j + 1]! + 1, next[j]! + 1));
    row = next;
  }
  return row.at(-1)!;
}

it('the pause is silence, as this repository makes it', () => {
  const { samples, durationMs } = readRecording(readFileSync(path.join(promptsFolder, pauseFile)));
  expect(durationMs).toBe(readRecording(pause()).durationMs);
  expect(samples.every((sample) => sample === 0)).toBe(true);
});

describe('the waiting music', () => {
  const { samples, durationMs } = readRecording(readFileSync(path.join(promptsFolder, musicFile)));

  it('is a quiet loop of 20 to 30 seconds', () => {
    expect(durationMs).toBeGreaterThanOrEqual(20_000);
    expect(durationMs).toBeLessThanOrEqual(30_000);
    expect(rmsDbfs(samples)).toBeGreaterThan(-32);
    expect(rmsDbfs(samples)).toBeLessThan(-24);
  });

  it('has no seam: the step over the end is no larger than steps within', () => {
    let largest = 0;
    for (let i = 1; i < samples.length; i += 1) largest = Math.max(largest, Math.abs(samples[i]! - samples[i - 1]!));
    expect(Math.abs(samples[0]! - samples.at(-1)!)).toBeLessThanOrEqual(largest);
  });

  it('is the one this repository makes', () => {
    const made = readRecording(waitingMusic());
    expect(made.samples.length).toBe(samples.length);
    // Other processors may round a sine differently in the last bit.
    expect(made.samples.every((sample, i) => Math.abs(sample - samples[i]!) <= 1)).toBe(true);
  });
});

it('docs/prompts.md says what the texts are (write it anew with `npx vitest run --config test/vitest.config.ts test/ivr/prompts.test.ts -u`)', async () => {
  await expect(promptsReference()).toMatchFileSnapshot(path.resolve(import.meta.dirname, '../../docs/prompts.md'));
});

describe('the check of a site\'s own recordings', () => {
  it('finds nothing wrong with ours', () => {
    expect(problemsIn(promptsFolder)).toEqual([]);
  });

  it('says everything that is wrong, at once', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'own-prompts-'));
    try {
      cpSync(promptsFolder, folder, { recursive: true });
      rmSync(path.join(folder, 'nl/closed.wav'));
      rmSync(path.join(folder, 'music.wav'));
      writeFileSync(path.join(folder, 'en/greeting.wav'), 'not a recording');
      writeFileSync(path.join(folder, 'en/goodbye.wav'), pause());
      change(path.join(folder, 'nl/goodbye.wav'), (sample) => sample / 4);
      change(path.join(folder, 'nl/greeting.wav'), (sample) => sample * 3);
      change(path.join(folder, 'nl/checking.wav'), (sample, i) => (i < 8 * 600 ? 0 : sample));
      expect(problemsIn(folder).map((problem) => problem.replace(/-?\d+\.\d dBFS/u, 'x dBFS'))).toEqual([
        'nl/greeting.wav: is at x dBFS; make it -24 to -12, best -18', 'nl/greeting.wav: has peaks that clip; record it less loud',
        'nl/checking.wav: begins with 600 ms of silence; cut it to a quarter of a second',
        'nl/goodbye.wav: is at x dBFS; make it -24 to -12, best -18',
        'nl/closed.wav: is missing; the caller would hear nothing there',
        expect.stringMatching(/^en\/greeting\.wav: /u), 'en/goodbye.wav: is silent', 'music.wav: is missing; the caller would hear nothing there',
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Changes the samples of one of our recordings, which begin after a header of 44 bytes. */
function change(file: string, how: (sample: number, index: number) => number): void {
  const bytes = readFileSync(file);
  for (let i = 0; 44 + 2 * i + 1 < bytes.length; i += 1) bytes.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(how(bytes.readInt16LE(44 + 2 * i), i)))), 44 + 2 * i);
  writeFileSync(file, bytes);
}
