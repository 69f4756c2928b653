import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { languages, musicFile, pauseFile, promptFile, promptNames, promptsFolder, words } from '../../ivr/index.js';
import { pause, waitingMusic } from '../../ivr/prompts/music.js';
import { readRecording, rmsDbfs } from '../../ivr/prompts/recording.js';
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
