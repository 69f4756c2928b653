import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { languages, musicFile, promptFile, promptNames, promptsFolder } from '../../ivr/index.js';
import { waitingMusic } from '../../ivr/prompts/music.js';
import { readRecording, rmsDbfs } from '../../ivr/prompts/recording.js';
import { hashOfText, loadManifest, loadTexts } from '../../ivr/prompts/texts.js';

const texts = loadTexts();
const manifest = loadManifest();
const every = languages.flatMap((language) => promptNames.map((name) => ({ language, name, file: promptFile(language, name) })));

describe('texts and recordings', () => {
  it.each(every)('$file says what its text says now', ({ language, name, file }) => {
    const entry = manifest[file];
    expect(entry, 'not in the manifest: run `npm run prompts`').toBeDefined();
    expect(entry!.textSha256, 'the text has changed since it was recorded: run `npm run prompts`').toBe(hashOfText(texts[language][name]));
    const recording = readRecording(readFileSync(path.join(promptsFolder, file)));
    expect(recording.durationMs).toBe(entry!.durationMs);
  });

  it.each(every)('$file is loud enough, does not clip, begins and ends at once', ({ file }) => {
    const { samples, durationMs } = readRecording(readFileSync(path.join(promptsFolder, file)));
    expect(durationMs).toBeGreaterThan(800);
    expect(durationMs).toBeLessThan(15_000);
    expect(rmsDbfs(samples)).toBeGreaterThan(-20);
    expect(rmsDbfs(samples)).toBeLessThan(-16);
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    expect(20 * Math.log10(peak / 32768)).toBeLessThan(-0.5);
    const audible = (from: number, to: number) => samples.subarray(from, to).some((sample) => Math.abs(sample) > 400);
    expect(audible(0, 8 * 250), 'more than a quarter of a second of silence first').toBe(true);
    expect(audible(samples.length - 8 * 500, samples.length), 'more than half a second of silence last').toBe(true);
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
