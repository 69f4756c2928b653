import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { languages, type Language } from '../languages.js';
import { promptsFolder, wordPrompts, writtenPrompts, type PromptName } from './names.js';
import { words } from './words.js';

export type Texts = Readonly<Record<Language, Readonly<Record<PromptName, string>>>>;

const writtenTexts = z.strictObject(
  Object.fromEntries(languages.map((language) => [language, z.strictObject(Object.fromEntries(writtenPrompts.map((name) => [name, z.string().trim().min(2).max(400)])))])),
);

/** What every recording of this folder was made from: a changed text is found by its hash. */
export const manifest = z.record(z.string(), z.strictObject({ textSha256: z.string().regex(/^[0-9a-f]{64}$/u), durationMs: z.int().positive(), voice: z.string() }));
export type Manifest = z.infer<typeof manifest>;

/** The texts of texts.yaml and the words of words.ts. @throws ZodError naming every text that is missing, empty, too long or nobody's */
export function loadTexts(folder: string = promptsFolder): Texts {
  const written = writtenTexts.parse(parse(readFileSync(path.join(folder, 'texts.yaml'), 'utf8'))) as Texts;
  const wordsOf = (language: Language) => Object.fromEntries(wordPrompts.map((name, index) => [name, words[language][index]]));
  return Object.fromEntries(languages.map((language) => [language, { ...written[language], ...wordsOf(language) }])) as Texts;
}

export function loadManifest(folder: string = promptsFolder): Manifest {
  return manifest.parse(JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')));
}

export function hashOfText(text: string): string {
  return createHash('sha256').update(text.normalize('NFC')).digest('hex');
}
