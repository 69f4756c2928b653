/** `npm run audit -- verify|export`: for whoever has to know whether the trail holds, and what is in it. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ConfigError, EXIT_CONFIG, loadConfig, Secret } from '../../config/index.js';
import { entries } from './entries.js';
import { exported, exportFormats, type ExportFormat } from './export.js';
import { chainsOf } from './files.js';
import { Signer } from './line.js';
import { momentOf } from './period.js';
import type { Checkpoint } from './trail.js';
import { verifyFolder, type Finding, type Verdict } from './verify.js';

/** The trail does not hold. */
const EXIT_BROKEN = 1;
/** sysexits: the command line is not understood; there is nothing to read. */
const EXIT_USAGE = 64;
const EXIT_NO_INPUT = 66;

const usage = `The audit trail: who saw which kind of attribute of which call, when and why.

  npm run audit -- verify [<folder>]     whether it still is what was written; names the first line that is not
      --key-file <file>      file with the key of the signatures; more than once for several keys
      --allow-unsigned       takes lines without a signature
      --checkpoint <text>    an end that was noted earlier, as the gateway logs it ("audit checkpoint"); more than once for several
  npm run audit -- export [<folder>]     what is in it, oldest first, on standard output
      --from <when>  --to <when>         a day (2026-11-25, all of it, UTC) or a moment (2026-11-25T09:00:00+01:00)
      --call <id>  --agent <name>  --tenant <name>  --act <kind>
      --format csv|jsonl                 csv if left out

  --config <file>   takes folder and key from this configuration; without it and without a folder, from GATEWAY_CONFIG or the demo

Exit codes: 0 it holds (verify), all is written (export); ${EXIT_BROKEN} it does not hold; ${EXIT_USAGE} command line not understood;
${EXIT_NO_INPUT} no trail to read there; ${EXIT_CONFIG} the configuration does not hold.
`;

const options = {
  'key-file': { type: 'string', multiple: true }, 'allow-unsigned': { type: 'boolean' }, checkpoint: { type: 'string', multiple: true },
  from: { type: 'string' }, to: { type: 'string' }, call: { type: 'string' }, agent: { type: 'string' }, tenant: { type: 'string' }, act: { type: 'string', multiple: true },
  format: { type: 'string' }, config: { type: 'string' }, help: { type: 'boolean', short: 'h' },
} as const;
const forVerify = ['key-file', 'allow-unsigned', 'checkpoint', 'config'];
const forExport = ['from', 'to', 'call', 'agent', 'tenant', 'act', 'format', 'config'];

class Mistake extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

function words() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new Mistake(EXIT_USAGE, error instanceof Error ? error.message : String(error));
  }
}

function checkpointOf(text: string): Checkpoint {
  const [, chain, n, hash] = /^(.{1,80}):([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (chain === undefined || n === undefined || hash === undefined) throw new Mistake(EXIT_USAGE, '--checkpoint: write it as the gateway logs it, <node>:<number>:<64 hexadecimal digits>');
  return { chain, n: Number(n), hash };
}

function keyIn(file: string): Signer {
  try {
    return new Signer(new Secret(readFileSync(file, 'utf8').replace(/\r?\n$/, '')));
  } catch (error) {
    throw new Mistake(EXIT_NO_INPUT, `--key-file: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
}

async function mustHoldTrail(folder: string): Promise<void> {
  const isFolder = await stat(folder).then((found) => found.isDirectory(), () => false);
  if (!isFolder) throw new Mistake(EXIT_NO_INPUT, `${folder} is not a folder that can be read.`);
  if ((await chainsOf(folder)).size === 0) throw new Mistake(EXIT_NO_INPUT, `There is no audit trail in ${folder}: no file is named audit-<node>-<day>.jsonl.`);
}

const place = ({ file, line, says }: Finding): string => `${file}${line === 0 ? '' : `, line ${line}`}: ${says}`;

function tell(folder: string, { files, problems, notes, unsigned, unchecked, ends }: Verdict, keys: readonly Signer[]): void {
  const out = (line: string): void => console.log(line);
  const lines = files.reduce((sum, file) => sum + file.lines, 0);
  const [first] = problems;
  if (first) {
    out(`BROKEN: ${place(first)}.`);
    for (const problem of problems.slice(1, 10)) out(`  also ${place(problem)}`);
    if (problems.length > 10) out(`  and ${problems.length - 10} more`);
  } else out(`The trail holds: ${lines} lines in ${files.length} file${files.length === 1 ? '' : 's'} of ${folder}.`);
  if (keys.length > 0) out(`Signatures: looked at with ${keys.map(({ id }) => `key ${id}`).join(', ')}${unsigned > 0 ? `; ${unsigned} lines carry none` : ''}.`);
  else if (unchecked > 0) out(`Signatures: ${unchecked} lines carry one, which was not looked at: give --key-file.`);
  else out('Signatures: none. Whoever can write these files could have written all of them anew; compare the checkpoints in the log.');
  if (notes.length > 0) out('What the trail says of itself:');
  for (const note of notes.slice(0, 100)) out(`  ${place(note)}`);
  if (notes.length > 100) out(`  and ${notes.length - 100} more`);
  for (const { chain, n, hash } of ends) out(`End now: --checkpoint ${chain}:${n}:${hash}`);
}

async function main(): Promise<number> {
  const { values, positionals } = words();
  const [command, folderGiven, ...more] = positionals;
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if (command !== 'verify' && command !== 'export') throw new Mistake(EXIT_USAGE, command === undefined ? 'Say verify or export.' : `"${command}" is not understood: say verify or export.`);
  if (more.length > 0) throw new Mistake(EXIT_USAGE, `"${more[0]}" is one word too many.`);
  const stranger = Object.keys(values).find((name) => !(command === 'verify' ? forVerify : forExport).includes(name));
  if (stranger !== undefined) throw new Mistake(EXIT_USAGE, `--${stranger} does not go with ${command}.`);

  const config = folderGiven === undefined || values.config !== undefined ? loadConfig({ path: values.config }).audit : undefined;
  const folder = folderGiven ?? config!.folder;
  if (command === 'verify') {
    const signers = [...(values['key-file'] ?? []).map(keyIn), ...(config?.hmacKey ? [new Signer(config.hmacKey)] : [])];
    const checkpoints = (values.checkpoint ?? []).map(checkpointOf);
    await mustHoldTrail(folder);
    const verdict = await verifyFolder(folder, { signers, checkpoints, allowUnsigned: values['allow-unsigned'] ?? false });
    tell(folder, verdict, signers);
    return verdict.problems.length > 0 ? EXIT_BROKEN : 0;
  }

  const moment = (name: 'from' | 'to'): string | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const found = momentOf(text, name === 'to');
    if (found === undefined) throw new Mistake(EXIT_USAGE, `--${name}: write a day such as 2026-11-25, or a moment such as 2026-11-25T09:00:00+01:00.`);
    return found;
  };
  const format = values.format ?? 'csv';
  if (!exportFormats.includes(format as ExportFormat)) throw new Mistake(EXIT_USAGE, `--format: ${exportFormats.join(' or ')}.`);
  const filter = { from: moment('from'), to: moment('to'), call: values.call, agent: values.agent, tenant: values.tenant, acts: values.act };
  await mustHoldTrail(folder);
  for await (const piece of exported(entries(folder, filter), format as ExportFormat)) {
    if (!process.stdout.write(piece)) await new Promise<void>((resolve) => process.stdout.once('drain', resolve));
  }
  return 0;
}

// `| head` is a fine way to read an export.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof Mistake) {
    console.error(error.code === EXIT_USAGE ? `${error.message}\n\n${usage}` : error.message);
    process.exitCode = error.code;
  } else if (error instanceof ConfigError) {
    console.error(error.message);
    process.exitCode = EXIT_CONFIG;
  } else throw error;
}
