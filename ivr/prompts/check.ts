import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { languages } from '../languages.js';
import { musicFile, pauseFile, promptFile, promptNames } from './names.js';
import { readRecording, rmsDbfs } from './recording.js';

/** What is bearable on a telephone beside our own recordings: a voice of another loudness is noticed, a much quieter one not understood. */
const loudness = { atLeastDbfs: -24, atMostDbfs: -12 };
const highestPeakDbfs = -0.1;
const longestMs = 20_000;
/** Silence before a sentence is time in which a caller thinks that the line is dead. */
const longestLeadMs = 400;
const audible = 300;

/** Everything that is wrong with a folder of recordings, one line each; files that are nobody's are not looked at. */
export function problemsIn(folder: string): string[] {
  const spoken = languages.flatMap((language) => promptNames.map((name) => promptFile(language, name)));
  return [...spoken.flatMap((file) => problemsOf(folder, file, true)), ...[musicFile, pauseFile].flatMap((file) => problemsOf(folder, file, false))];
}

function problemsOf(folder: string, file: string, isSpoken: boolean): string[] {
  const full = path.join(folder, file);
  if (!existsSync(full)) return [`${file}: is missing; the caller would hear nothing there`];
  let samples: Int16Array;
  try {
    ({ samples } = readRecording(readFileSync(full)));
  } catch (error) {
    return [`${file}: ${error instanceof Error ? error.message : 'cannot be read'}`];
  }
  if (!isSpoken) return samples.length === 0 ? [`${file}: is empty`] : [];
  const lead = samples.findIndex((sample) => Math.abs(sample) > audible);
  if (lead < 0) return [`${file}: is silent`];
  const rms = rmsDbfs(samples);
  const peak = 20 * Math.log10(samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 32768);
  const problems: string[] = [];
  if (rms < loudness.atLeastDbfs || rms > loudness.atMostDbfs) problems.push(`is at ${rms.toFixed(1)} dBFS; make it ${loudness.atLeastDbfs} to ${loudness.atMostDbfs}, best -18`);
  if (peak > highestPeakDbfs) problems.push('has peaks that clip; record it less loud');
  if (samples.length / 8 > longestMs) problems.push(`is longer than ${longestMs / 1000} seconds`);
  if (lead / 8 > longestLeadMs) problems.push(`begins with ${Math.round(lead / 8)} ms of silence; cut it to a quarter of a second`);
  return problems.map((problem) => `${file}: ${problem}`);
}
