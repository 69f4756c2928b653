import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LineCounter, parseDocument } from 'yaml';
import { crossCheck, demoChecks } from './cross-checks.js';
import { understand } from './forms.js';
import { ConfigError } from './problems.js';
import { assemble, resolveSecrets, type Resolved } from './resolve/index.js';
import type { RawConfig } from './schema/index.js';
import type { Config } from './types.js';

export { ConfigError, printProblem, type Problem } from './problems.js';
export { hashPassword, isPasswordHash, verifyPassword } from './password.js';
export { Secret } from './secret.js';
export type * from './types.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** The exit code for a configuration that does not hold (EX_CONFIG of sysexits). */
export const EXIT_CONFIG = 78;

/** The configuration that runs on a bare machine; a copy makes a good start for one's own. */
export const demoConfigPath = path.join(path.dirname(fileURLToPath(import.meta.url)), 'demo.yaml');

/** The file that `--config <file>` (or `--config=<file>`) names, or undefined. */
export function configArgument(argv: readonly string[]): string | undefined {
  const index = argv.findIndex((argument) => argument === '--config' || argument.startsWith('--config='));
  if (index < 0) return undefined;
  const [, inline] = /^--config=(.*)$/s.exec(argv[index] ?? '') ?? [];
  const file = inline ?? argv[index + 1];
  if (!file) throw new ConfigError([{ key: '--config', fault: 'names no file', fix: 'Write --config <file>' }]);
  return file;
}

/**
 * Loads, checks and freezes the configuration from `path`, else from GATEWAY_CONFIG, else the built-in demo.
 * @throws ConfigError with every problem of the file at once.
 */
export function loadConfig(options: { path?: string | undefined; env?: Environment } = {}): Config {
  const env = options.env ?? process.env;
  const file = path.resolve(options.path ?? (env['GATEWAY_CONFIG'] || demoConfigPath));
  return parseConfig(readYaml(file), { baseDir: path.dirname(file), env });
}

/**
 * Checks and freezes a configuration given as an object of the file's shape.
 * @param options.baseDir folder where relative file names start; the current one if left out.
 * @throws ConfigError with every problem at once.
 */
export function parseConfig(input: unknown, options: { baseDir?: string; env?: Environment } = {}): Config {
  const env = options.env ?? process.env;
  const { raw, resolved } = check(input, options.baseDir ?? process.cwd(), env);
  return deepFreeze(assemble(raw, resolved));
}

/** @throws ConfigError with every problem at once */
function check(input: unknown, baseDir: string, env: Environment): { raw: RawConfig; resolved: Resolved } {
  const understood = understand(input);
  const resolved = resolveSecrets(understood, baseDir);
  const problems = [...understood.problems, ...demoChecks(input, understood.tenants, env['NODE_ENV']), ...crossCheck(understood, input), ...resolved.problems];
  if (problems.length > 0) throw new ConfigError(problems);
  // Without a problem there is no hole in what was understood.
  return { raw: { ...understood.shared, tenants: understood.tenants.map(({ tenant }) => tenant) } as RawConfig, resolved };
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new ConfigError([{ key: file, fault: `cannot be read (${code})`, fix: 'Name an existing file with --config or GATEWAY_CONFIG' }]);
  }
  const lineCounter = new LineCounter();
  // Pretty errors would quote the line they complain about, and that line might hold a secret.
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => {
        const { line, col } = lineCounter.linePos(error.pos[0]);
        return { key: `${file}:${line}:${col}`, fault: `is not valid YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`, fix: 'Correct the line, or the one before it' };
      }),
    );
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch {
    throw new ConfigError([{ key: file, fault: 'uses YAML aliases that lead nowhere or too far', fix: 'Write the values out' }]);
  }
}

/** Freezes plain objects and lists; keys and secrets guard themselves. */
function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype)) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
