/** Files that change again in the moment in which they are read. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { FileWatch } from '../../gateway/file-watch.js';
import { scratchFolder, sleep, until } from '../peers/index.js';

const folder = scratchFolder('file-watch');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a change that comes while the one before is being read is told too, and none when nobody listens any more', async () => {
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(file, 'first');
  let told = 0;
  const watch = new FileWatch(() => {
    told += 1;
    // Somebody writes it again, and whoever reads it names the files to be watched again.
    if (told === 1) writeFileSync(file, 'the third, of another length');
    watch.watch([file, path.join(folder, 'another.pem')]);
  });
  watch.watch([file]);
  await sleep(200);
  writeFileSync(file, 'the second');
  await until(() => told === 2, 'both changes to be told', 15_000);
  watch.close();
  writeFileSync(file, 'unheard');
  await sleep(3_000);
  expect(told).toBe(2);
}, 30_000);
