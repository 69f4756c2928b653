/** The words that may follow `npm start --`. */
import { parseArgs } from 'node:util';

/** Exit code for a command line that is not understood (EX_USAGE of sysexits). */
export const EXIT_USAGE = 64;

export const usage = `Telephone identity gateway.

  npm start                          with the built-in demo configuration
  npm start -- --config <file>       with a configuration of your own (or GATEWAY_CONFIG=<file>)
  npm start -- --help                this text
  npm run check-config -- --config <file>    says whether a configuration holds, and starts nothing

Signals: SIGTERM or SIGINT lets conversations finish (in the demo: ends them), a second one ends them at once.
Exit codes: 0 stopped when asked to, 1 could not start or broke down, ${EXIT_USAGE} command line not understood, 78 configuration does not hold.
`;

export type Arguments = { kind: 'run' } | { kind: 'help' } | { kind: 'mistake'; problem: string };

/**
 * Looks whether the words are ones we know, so that a mistyped `--config` does not quietly start the demo instead.
 * What `--config` means is left to the configuration.
 * @param words the command line after the program's name
 */
export function readArguments(words: readonly string[]): Arguments {
  const known = { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const { tokens, values } = parseArgs({ args: [...words], options: known, strict: false, tokens: true });
  if (values.help === true) return { kind: 'help' };
  let configs = 0;
  for (const token of tokens) {
    if (token.kind === 'positional') return { kind: 'mistake', problem: `"${token.value}" is not understood${/\.ya?ml$|\.json$/i.test(token.value) ? '; a configuration is named with --config <file>' : ''}` };
    if (token.kind !== 'option') continue;
    if (token.name === 'config') configs += 1;
    else if (token.name !== 'help') return { kind: 'mistake', problem: `${token.rawName} is not an option` };
  }
  if (configs > 1) return { kind: 'mistake', problem: '--config is given more than once' };
  return { kind: 'run' };
}
