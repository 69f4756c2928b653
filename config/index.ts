import { ConfigError } from './problems.js';

export { demoConfigPath, loadConfig, parseConfig, type LoadOptions } from './load.js';
export { GuessingOdds, guessingSettings } from './chance.js';
export { chanceReport, checkChance } from './chance-check.js';
export { ConfigError, printProblem, type Problem } from './problems.js';
export { hashPassword, isPasswordHash, verifyPassword } from './password.js';
export { changesForRestart, configFiles, isSameSetting, type TenantKeys } from './reload.js';
export { weekdays, type Holiday, type Hours, type Period, type Weekday } from './opening-hours.js';
export { Secret } from './secret.js';
export type * from './types.js';

/** The exit code for a configuration that does not hold (EX_CONFIG of sysexits). */
export const EXIT_CONFIG = 78;

/** The file that `--config <file>` (or `--config=<file>`) names, or undefined. */
export function configArgument(argv: readonly string[]): string | undefined {
  const index = argv.findIndex((argument) => argument === '--config' || argument.startsWith('--config='));
  if (index < 0) return undefined;
  const [, inline] = /^--config=(.*)$/s.exec(argv[index] ?? '') ?? [];
  const file = inline ?? argv[index + 1];
  if (!file) throw new ConfigError([{ key: '--config', fault: 'names no file', fix: 'Write --config <file>' }]);
  return file;
}
