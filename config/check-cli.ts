import { chanceReport, checkChance } from './chance-check.js';
import { readCheckArguments, usage } from './check-arguments.js';
import { firewallRuleset } from './firewall.js';
import { ConfigError, demoConfigPath, EXIT_CONFIG, loadConfig, type Config } from './index.js';

// `npm run check-config -- [--config] [file]`: every problem, one a line; or a line that says all is well, and how hard
// codes are to guess. With `--firewall`: the same problems, or nothing but rules for `nft -f`.
const words = readCheckArguments(process.argv.slice(2));
if (words.kind === 'help') console.log(usage);
else if (words.kind === 'mistake') {
  console.error(`${words.problem}. Write: npm run check-config -- [--firewall] --config <file>; --help says more.`);
  process.exitCode = 64;
} else {
  try {
    const config = loadConfig({ path: words.config });
    const guessable = checkChance(config.tenants);
    if (guessable.length > 0) throw new ConfigError(guessable);
    if (words.firewall === undefined) report(config, words.config ?? (process.env['GATEWAY_CONFIG'] || demoConfigPath));
    else printFirewall(firewallRuleset(config, words.firewall));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = EXIT_CONFIG;
  }
}

function report({ trunks, tenants, demo }: Config, file: string): void {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const sum = (list: (tenant: (typeof tenants)[number]) => readonly unknown[]): number => tenants.reduce((total, tenant) => total + list(tenant).length, 0);
  console.log(`${file} is a valid configuration: ${count(trunks.length, 'trunk')}, ${count(sum(({ services }) => services), 'service')}, ${count(sum(({ agents }) => agents), 'agent')}${demo ? '; demo' : ''}.`);
  console.log(`\n${chanceReport(tenants)}`);
}

/** Rules on standard output, which goes to a file or to nft; what to look at once more where a person sees it. */
function printFirewall(ruleset: string): void {
  process.stdout.write(ruleset);
  for (const line of ruleset.split('\n')) if (line.startsWith('# WARNING')) console.error(line.slice(2));
}
