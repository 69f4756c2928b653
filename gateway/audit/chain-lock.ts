/** One writer for each chain. A lock that its process left behind in a crash is told from one that is held. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, rename, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export interface ChainLock {
  release(): Promise<void>;
}

/** When a process was started, in ticks since the machine was: a number given anew is another process. Undefined where that cannot be known. */
function startOf(pid: number): string | undefined {
  try {
    // The second field, the program's name, may hold spaces and brackets: count from behind it (proc(5)).
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').pop()?.split(' ')[19];
  } catch {
    return undefined;
  }
}

function isHeld(content: string): boolean {
  const [host, pid, start] = content.split('\n');
  // Of another machine or container nothing can be known; its chain has another name unless somebody gave it ours.
  if (host !== os.hostname() || !/^[1-9]\d*$/.test(pid ?? '')) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = startOf(Number(pid));
  return now === undefined || start === '' || now === start;
}

/** @returns undefined when another living process, or another trail of this one, has the chain */
export async function lockChain(folder: string, chain: string): Promise<ChainLock | undefined> {
  const file = path.join(folder, `audit-${chain}.lock`);
  // The last line makes it ours among those of this process.
  const own = [os.hostname(), process.pid, startOf(process.pid) ?? '', randomUUID()].join('\n');
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await writeFile(file, own, { flag: 'wx', mode: 0o600 });
      return { release: async () => { if ((await readFile(file, 'utf8').catch(() => '')) === own) await unlink(file); } };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const content = await readFile(file, 'utf8').catch(() => undefined);
    if (content === undefined) continue;
    if (isHeld(content)) return undefined;
    // Moved aside first: of two that find it left behind, one moves it, and the other finds the first one's lock.
    const aside = `${file}.${randomUUID()}`;
    await rename(file, aside).catch(() => undefined);
    const moved = await readFile(aside, 'utf8').catch(() => undefined);
    if (moved !== undefined && moved !== content) await rename(aside, file);
    else await unlink(aside).catch(() => undefined);
  }
  return undefined;
}
