/**
 * `npm run prompts [-- --all | --adopt | --check FOLDER]`: makes the recordings from texts.yaml.
 *
 * Without an option it speaks only what is missing or whose text has changed; `--all` speaks everything anew; `--adopt`
 * speaks nothing and takes the files as they lie there (a site's own recordings) into the manifest, after checking them.
 * `--check` only says what is wrong with a site's folder of recordings; it ends with 1 if anything is.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { languages, type Language } from '../languages.js';
import { problemsIn } from './check.js';
import { musicFile, pauseFile, promptFile, promptNames, promptsFolder } from './names.js';
import { pause, waitingMusic } from './music.js';
import { readRecording, rmsDbfs } from './recording.js';
import { hashOfText, loadManifest, loadTexts, type Manifest } from './texts.js';

const speakers: Record<Language, { voice: string; options: readonly string[]; wordsPerMinute: number }> = {
  nl: { voice: 'nl+f3', options: ['-p', '42', '-g', '1'], wordsPerMinute: 138 },
  en: { voice: 'en-gb+f3', options: ['-p', '42', '-g', '1'], wordsPerMinute: 145 },
};
/** A word by itself has no sentence to be understood from, so it is spoken slower. */
const aloneFactor = 0.75;
/** Loudness of speech before the pauses at its ends are added, which take about 2 dB: the files end up near -18 dBFS, loud for a telephone without being harsh. */
const targetRmsDbfs = -15.5;

/** Speaks one text into a telephone-ready file: 8 kHz, mono, 16 bit, telephone band, even level, hardly any silence at the ends. */
function speak(language: Language, text: string, target: string, scratch: string): void {
  const { voice, options, wordsPerMinute } = speakers[language];
  const isAlone = !text.includes(' ');
  const raw = path.join(scratch, 'raw.wav');
  const shaped = path.join(scratch, 'shaped.wav');
  execFileSync('espeak-ng', ['-v', voice, ...options, '-s', String(Math.round(wordsPerMinute * (isAlone ? aloneFactor : 1))), '-w', raw, text]);
  // -D and -R: no dither and no random start, so that the same text gives the same file.
  sox([raw, '-r', '8000', '-c', '1', '-b', '16', shaped,
    'gain', '-6', 'highpass', '180', 'lowpass', '3500',
    'silence', '1', '0.01', '0.4%', 'reverse', 'silence', '1', '0.01', '0.4%', 'reverse',
    // Evens out syllables, so that speech can be loud without clipping.
    'compand', '0.005,0.12', '6:-60,-60,-30,-18,-10,-10,0,-6', '0', '-20', '0.01']);
  const gainDb = targetRmsDbfs - rmsDbfs(readRecording(readFileSync(shaped)).samples);
  sox([shaped, '-b', '16', target, 'gain', '-l', gainDb.toFixed(2), 'gain', '-1', 'pad', '0.06', '0.24']);
}

function sox(args: readonly string[]): void {
  execFileSync('sox', ['-D', '-R', '-V1', ...args]);
}

/** The sources, also when this runs compiled from dist/. */
function sourceFolder(): string {
  let root = promptsFolder;
  while (!existsSync(path.join(root, 'package.json'))) root = path.dirname(root);
  return path.join(root, 'ivr', 'prompts');
}

function check(folder: string): void {
  const problems = problemsIn(folder);
  process.stdout.write([...problems, problems.length === 0 ? `${folder}: nothing is wrong` : `${folder}: ${problems.length} problems`].join('\n') + '\n');
  if (problems.length > 0) process.exitCode = 1;
}

function main(): void {
  const { values } = parseArgs({ options: { all: { type: 'boolean', default: false }, adopt: { type: 'boolean', default: false }, check: { type: 'string' } } });
  if (values.check !== undefined) return check(values.check);
  const folder = sourceFolder();
  const texts = loadTexts(folder);
  const before: Manifest = existsSync(path.join(folder, 'manifest.json')) ? loadManifest(folder) : {};
  const after: Manifest = {};
  const scratch = mkdtempSync(path.join(tmpdir(), 'prompts-'));
  let spoken = 0;
  try {
    for (const language of languages) {
      mkdirSync(path.join(folder, language), { recursive: true });
      for (const name of promptNames) {
        const file = promptFile(language, name);
        const target = path.join(folder, file);
        const text = texts[language][name];
        if (text === undefined) throw new Error(`${file} has no text`);
        const textSha256 = hashOfText(text);
        let voice = before[file]?.voice ?? 'own recording';
        if (values.adopt) {
          if (before[file]?.textSha256 !== textSha256) voice = 'own recording';
        } else if (values.all || before[file]?.textSha256 !== textSha256 || !existsSync(target)) {
          speak(language, text, target, scratch);
          voice = `espeak-ng ${speakers[language].voice}`;
          spoken += 1;
        }
        after[file] = { textSha256, durationMs: readRecording(readFileSync(target)).durationMs, voice };
      }
    }
    if (values.adopt) {
      for (const file of [musicFile, pauseFile]) readRecording(readFileSync(path.join(folder, file)));
    } else {
      writeFileSync(path.join(folder, musicFile), waitingMusic());
      writeFileSync(path.join(folder, pauseFile), pause());
    }
    writeFileSync(path.join(folder, 'manifest.json'), `${JSON.stringify(after, null, 1)}\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  process.stdout.write(`${spoken} of ${Object.keys(after).length} prompts spoken anew, in ${folder}\n`);
}

try {
  main();
} catch (error) {
  const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT' && 'syscall' in error && String(error.syscall).startsWith('spawn');
  process.stderr.write(missing ? 'Prompts need the programs espeak-ng and sox: apt-get install espeak-ng sox\n' : `${String(error)}\n`);
  process.exitCode = 1;
}
