/** The process: configuration, start, signals, end. Everything else is app.ts. */
import pino from 'pino';
import { checkChance, ConfigError, configArgument, configFiles, EXIT_CONFIG, loadConfig, printProblem, type Config } from '../config/index.js';
import { Gateway, StartError } from './app.js';
import { EXIT_USAGE, readArguments, usage } from './arguments.js';
import { DemoPhones } from './demo/phones.js';
import { FileWatch } from './file-watch.js';

/** How long conversations may go on after a polite request to stop, in ms. A second signal ends them at once. */
const drainMs = 30_000;
/**
 * Signals this close together, in ms, are one request: Ctrl-C reaches the whole process group, and npm and the launcher
 * each pass it on once more.
 */
const sameRequestMs = 500;

/** Ends the process unless the command line asks for a gateway. */
function checkCommandLine(): void {
  const asked = readArguments(process.argv.slice(2));
  if (asked.kind === 'help') {
    process.stdout.write(usage);
    process.exit(0);
  }
  if (asked.kind === 'mistake') {
    process.stderr.write(`${asked.problem}.\n\n${usage}`);
    process.exit(EXIT_USAGE);
  }
}

function readConfig(): Config {
  try {
    const config = loadConfig({ path: configArgument(process.argv.slice(2)) });
    const guessable = checkChance(config.tenants);
    if (guessable.length > 0) throw new ConfigError(guessable);
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration does not hold:\n${error.problems.map((problem) => `  ${printProblem(problem)}\n`).join('')}`);
    process.exit(EXIT_CONFIG);
  }
}

async function main(): Promise<void> {
  checkCommandLine();
  const config = readConfig();
  const log = pino({ level: config.log.level, ...(process.stdout.isTTY ? { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } } } : {}) });
  // A promise of a library that nobody waited for any more must not end every call on this node.
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
  let gateway: Gateway | undefined;
  let phones: DemoPhones | undefined;
  let askedAt: number | undefined;
  const stop = (why: string) => {
    // Nobody is being served yet; the engines' process ends when this one is gone.
    if (!gateway) process.exit(0);
    const now = performance.now();
    if (askedAt === undefined) {
      askedAt = now;
      log.info({ why, calls: gateway.calls }, 'stopping; conversations may finish');
      void gateway.stop(config.demo ? 0 : drainMs).then(async () => {
        await phones?.stop();
        log.info('stopped');
        process.exit(0);
      });
    } else if (now - askedAt > sameRequestMs) {
      log.warn({ why }, 'asked again: ending now');
      setTimeout(() => process.exit(1), 5_000).unref();
      gateway.endNow();
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // The launcher was killed in a way it could not pass on.
  process.on('disconnect', () => stop('launcher gone'));
  try {
    gateway = await Gateway.start(config, log);
  } catch (error) {
    process.stderr.write(`${error instanceof StartError ? error.message : String(error instanceof Error ? error.stack : error)}\n`);
    process.exit(1);
  }
  const started = gateway;
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'unexpected error; ending');
    void Promise.allSettled([started.stop(0), phones?.stop()]).then(() => process.exit(1));
    setTimeout(() => process.exit(1), 10_000).unref();
  });
  if (config.demo) {
    phones = DemoPhones.start(config, log);
    // Its keys live as long as the process; the signal is that of a closed terminal.
    process.on('SIGHUP', stop);
  } else followConfiguration(started, log);
  announce(gateway, config);
}

/** The configuration is read again on SIGHUP and when one of its files changes; one that does not hold changes nothing. */
function followConfiguration(gateway: Gateway, log: pino.Logger): void {
  const options = { path: configArgument(process.argv.slice(2)) };
  const readAgain = () => {
    try {
      gateway.renew(loadConfig(options));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      log.error({ problems: error.problems.map(printProblem) }, 'the configuration does not hold any more; all stays as it is');
    }
    watch.watch(configFiles(options));
  };
  const watch = new FileWatch(readAgain);
  watch.watch(configFiles(options));
  process.on('SIGHUP', readAgain);
}

/** What a person who typed `npm start` wants to know. */
function announce(gateway: Gateway, config: Config): void {
  const { urls, sipAddress } = gateway;
  const lines = config.demo
    ? [
        '',
        'The gateway is up, in its demo configuration (anyone can be anyone: not for real use).',
        '',
        `  1. Agent's screen       ${urls.agents}   log in as anna, password demo`,
        `  2. Citizen's test page  ${urls.public}   log in as anyone, get a number and a code`,
        '  3. Call, with the code  npm run call -- --code <code>',
        ...(sipAddress ? [`     or from a softphone  sip:${config.tenants[0]!.idContact.phoneNumber}@${sipAddress.host}:${sipAddress.port}`] : []),
        '',
        '  In another browser or a private window, at the agent’s address and with the same password:',
        '  bram, a colleague to pass the caller on to; hans, supervisor and auditor.',
        '',
        `  Agents' phones are simulated and answer by themselves. Health: ${urls.ops}/health   Metrics: ${urls.ops}/metrics`,
        '  The whole story by itself: npm run demo, and npm run demo -- agents.   Stop with Ctrl-C.',
        '',
      ]
    : [`The gateway is up. Agents: ${urls.agents}  Core: ${urls.core}  Health: ${urls.ops}/health`, ''];
  process.stderr.write(lines.join('\n'));
}

await main();
