/** Agents, last chapter: what the audit trail of the run says, and whether it holds. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { entries } from '../audit/entries.js';
import type { Line } from '../audit/line.js';
import { actWords, whyWords } from '../audit/words.js';
import type { Stage } from './stage.js';

const command = path.join(path.dirname(fileURLToPath(import.meta.url)), '../audit/cli.js');

export async function readTheTrail(stage: Stage): Promise<void> {
  const { folder, keyFile } = stage.trail;
  stage.chapter('3. Who saw what: the audit trail of this run');
  await stage.gateway.stop(0);
  stage.tell('gateway', 'has stopped; what it wrote lies there:');
  const lines: Line[] = [];
  for await (const { line } of entries(folder)) lines.push(line);
  stage.below(table(lines));
  const text = JSON.stringify(lines);
  stage.check('names of attributes and people who work here; no value, no code, no number', stage.secrets.every((secret) => !text.includes(secret)));
  const shown = (agent: string, why: string, field: string) => lines.some((line) => line.act === 'shown' && line['agent'] === agent && line['why'] === why && (line['fields'] as string[]).includes(field));
  stage.check('that anna asked for the masked number, and that bram did not', shown('anna', 'unmasked', 'bsn') && !shown('bram', 'unmasked', 'bsn'));
  stage.check('that anna saw it again when bram asked her in', shown('anna', 'broughtIn', 'fullname'));
  stage.check('by which way each caller came to bram', shown('bram', 'transferred', 'fullname') && shown('bram', 'handedOver', 'fullname'));

  const verdict = await promisify(execFile)(process.execPath, [command, 'verify', folder, '--key-file', keyFile]).then(({ stdout }) => ({ holds: true, says: stdout }), (error: { stdout?: string; message: string }) => ({ holds: false, says: error.stdout ?? error.message }));
  stage.tell('admin', 'npm run audit -- verify <folder> --key-file <file>');
  stage.below(verdict.says.trim().split('\n').map((line) => line.replace(` of ${folder}`, '').replace(/^(End now: .{30}).*/, '$1...')));
  stage.check('the trail is what was written: every line is signed and leads to the next', verdict.holds);
}

/** A line for each act of somebody, in the order in which it happened. */
function table(lines: readonly Line[]): string[] {
  const calls = [...new Set(lines.map((line) => line['callId']).filter((id) => typeof id === 'string'))];
  const rows = lines.flatMap((line) => {
    const agent = line['agent'];
    if (typeof agent !== 'string') return [];
    const which = calls.indexOf(line['callId'] as string);
    return [[line.at.slice(11, 23), agent, actWords[line.act as keyof typeof actWords]?.en ?? line.act, which < 0 ? '' : `call ${which + 1}`, details(line)]];
  });
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}

function details(line: Line): string {
  const [fields, why, because, toName] = [line['fields'], line['why'], line['because'], line['toName']];
  const reason = typeof why === 'string' ? (whyWords[why]?.en ?? why) : typeof because === 'string' ? because : typeof toName === 'string' ? `to ${toName}` : '';
  return Array.isArray(fields) ? `${fields.join(', ')} (${reason})` : reason;
}
