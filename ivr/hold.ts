import type { Language } from './languages.js';
import { musicFile, promptFile } from './prompts/names.js';

/**
 * What a caller on hold hears, again and again until the agent is back: that they are on hold, then music, 48 s of it.
 * The media server plays it by itself, since only it knows the moment at which the agent's phone holds and resumes.
 */
export function onHold(language: Language): readonly string[] {
  return [promptFile(language, 'on-hold'), musicFile, musicFile];
}
