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
import { unsafeKeys } from './unsafe-keys.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Which file to load, and the environment to look at; the process's if left out. */
export interface LoadOptions {
  readonly path?: string | undefined;
  readonly env?: Environment;
}

/** The configuration that runs on a bare machine; a copy makes a good start for one's own. */
export const demoConfigPath = path.join(path.dirname(fileURLToPath(import.meta.url)), 'demo.yaml');

/** Full name of the file that is loaded: `path`, else GATEWAY_CONFIG, else the built-in demo. */
export function configPath({ path: named, env = process.env }: LoadOptions): string {
  return path.resolve(named ?? (env['GATEWAY_CONFIG'] || demoConfigPath));
}

/**
 * Loads, checks and freezes the configuration from `path`, else from GATEWAY_CONFIG, else the built-in demo.
 * @throws ConfigError with every problem of the file at once.
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const file = configPath(options);
  return parseConfig(readYaml(file), { baseDir: path.dirname(file), ...(options.env && { env: options.env }) });
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
  const problems = [...understood.problems, ...demoChecks(input, understood.tenants, env['NODE_ENV']), ...crossCheck(understood, input), ...resolved.problems, ...unsafeKeys(resolved.keys, understood.shared.unsafeSampleKeys === true, env['NODE_ENV'])];
  if (problems.length > 0) throw new ConfigError(problems);
  // Without a problem there is no hole in what was understood.
  return { raw: { ...understood.shared, tenants: understood.tenants.map(({ tenant }) => tenant) } as RawConfig, resolved };
}

/** The content of a configuration file, not yet checked. @throws ConfigError when it cannot be read or is no YAML */
export function readYaml(file: string): unknown {
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
