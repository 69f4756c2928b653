/** This program's version, from its package.json: one folder up from the sources, two from the build. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function version(): string {
  const file = ['../package.json', '../../package.json'].map((place) => fileURLToPath(new URL(place, import.meta.url))).find((place) => existsSync(place));
  return file === undefined ? 'unknown' : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
