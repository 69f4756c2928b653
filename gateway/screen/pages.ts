import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Pages {
  screen: string;
  assets: ReadonlyMap<string, { type: string; content: string }>;
}

const folder = new URL('./pages/', import.meta.url);

const assetTypes: ReadonlyArray<readonly [name: string, type: string]> = [
  ['style.css', 'text/css; charset=utf-8'],
  ['icon.svg', 'image/svg+xml'],
  ...['screen', 'alerts', 'availability', 'conference', 'dom', 'identify', 'identity', 'lease', 'prefs', 'settings', 'shortcuts', 'socket', 'time', 'transfer', 'words']
    .map((name) => [`${name}.js`, 'text/javascript; charset=utf-8'] as const),
];

/** Reads the pages once; they are small, and then nothing a request says can name a file. */
export function loadPages(): Pages {
  const read = (name: string): string => readFileSync(fileURLToPath(new URL(name, folder)), 'utf8');
  return {
    screen: read('screen.html'),
    assets: new Map(assetTypes.map(([name, type]) => [name, { type, content: read(name) }])),
  };
}
