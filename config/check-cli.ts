import { chanceReport, checkChance } from './chance-check.js';
import { ConfigError, configArgument, demoConfigPath, EXIT_CONFIG, loadConfig } from './index.js';

// `npm run check-config -- [--config] [file]`: every problem, one a line; or a line that says all is well, and how hard
// codes are to guess.
const words = process.argv.slice(2);
const stranger = words.find((word) => word.startsWith('-') && !/^--config(=|$)/.test(word));
if (stranger !== undefined || words.length > 2) {
  console.error(`${stranger ?? 'So many words'}: not understood. Write: npm run check-config -- --config <file>`);
  process.exit(64);
}
try {
  const path = configArgument(words) ?? words[0];
  const config = loadConfig({ path });
  const guessable = checkChance(config.tenants);
  if (guessable.length > 0) throw new ConfigError(guessable);
  const file = path ?? (process.env['GATEWAY_CONFIG'] || demoConfigPath);
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const sum = (list: (tenant: (typeof config.tenants)[number]) => readonly unknown[]): number => config.tenants.reduce((total, tenant) => total + list(tenant).length, 0);
  console.log(`${file} is a valid configuration: ${count(config.trunks.length, 'trunk')}, ${count(sum(({ services }) => services), 'service')}, ${count(sum(({ agents }) => agents), 'agent')}${config.demo ? '; demo' : ''}.`);
  console.log(`\n${chanceReport(config.tenants)}`);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = EXIT_CONFIG;
}
