/** A trail in a folder of the test's own. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import pino, { type Logger } from 'pino';
import { Secret } from '../../config/index.js';
import { Signer } from '../../gateway/audit/line.js';
import { Trail, type TrailOptions } from '../../gateway/audit/trail.js';
import { verifyFolder, type Verdict, type VerifyOptions } from '../../gateway/audit/verify.js';

export const key = 'a key of the tests, which signs nothing real';
export const signer = (): Signer => new Signer(new Secret(key));
export const silent: Logger = pino({ level: 'silent' });

export const openTrail = (folder: string, options: Partial<TrailOptions> = {}): Promise<Trail> =>
  Trail.open({ folder, node: 'gw1', keepDays: 365, start: { version: '0.0.0', required: true }, log: silent, ...options });

export const shown = (callId: string, agent = 'anna') => ({ act: 'shown' as const, tenant: 'main', callId, agent, why: 'answered' as const, fields: ['fullname', 'bsn'] });

/** A trail of `count` records, come to an orderly end. @returns its files, in order */
export async function writeTrail(folder: string, count: number, options: Partial<TrailOptions> = {}): Promise<string[]> {
  const trail = await openTrail(folder, options);
  for (let i = 1; i <= count; i++) await trail.record(shown(`c${i}`));
  await trail.close();
  return trailFiles(folder);
}

export const trailFiles = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.jsonl')).sort();

export const linesOf = (folder: string, file: string): string[] => readFileSync(path.join(folder, file), 'utf8').split('\n').slice(0, -1);

export const rewrite = (folder: string, file: string, lines: readonly string[]): void => writeFileSync(path.join(folder, file), lines.map((line) => `${line}\n`).join(''));

export const parsed = (line: string): Record<string, unknown> => JSON.parse(line) as Record<string, unknown>;

export const verify = (folder: string, options: VerifyOptions = {}): Promise<Verdict> => verifyFolder(folder, options);
