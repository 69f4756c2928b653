// The compiler carries only TypeScript over to dist; this carries what the code reads at run time beside it:
// prompts, pages, example configuration.
import { cpSync, existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { root } from './setup.mjs';

const carried = ['.wav', '.yaml', '.yml', '.html', '.css', '.js', '.svg', '.json', '.pem', '.xml', '.key', '.txt'];
for (const room of ['config', 'core-bridge', 'ivr', 'gateway']) {
  const from = path.join(root, room);
  if (!existsSync(from)) continue;
  cpSync(from, path.join(root, 'dist', room), {
    recursive: true,
    filter: (source) => statSync(source).isDirectory() || carried.includes(path.extname(source)),
  });
}
