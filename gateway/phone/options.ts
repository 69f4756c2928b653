/** The command line of the test phone. */
import net from 'node:net';
import { parseArgs } from 'node:util';
import { usageExitCode, meanings, type Outcome } from './outcome.js';

export interface PhoneCommand {
  readonly mode: 'dial' | 'answer' | 'help';
  readonly to: string;
  readonly from: string | undefined;
  readonly code: string | undefined;
  readonly codeAfterMs: number;
  readonly dtmf: 'rfc4733' | 'info';
  readonly codec: 'PCMA' | 'PCMU' | undefined;
  readonly transport: 'udp' | 'tcp';
  readonly play: string | undefined;
  readonly record: string | undefined;
  readonly expectToneHz: number | undefined;
  readonly hangupAfterMs: number | undefined;
  readonly giveUpAfterMs: number;
  readonly answerAfterMs: number;
  readonly calls: number | undefined;
  readonly listen: { readonly host: string | undefined; readonly port: number };
  readonly auth: { readonly username: string; readonly password: string } | undefined;
  readonly json: boolean;
}

const defaultTarget = 'sip:+31201234567@127.0.0.1:5060';

export const helpText = `Usage: npm run call -- [--code 0123456789] [--to sip:+31201234567@127.0.0.1:5060] [...]
       npm run call -- --answer [--listen 127.0.0.1:5070] [...]

A telephone for testing. It dials, sends the code by itself once answered, prints what happens, and
tells by its exit code whether the call reached an agent. With --answer it is the one who is called.
Press Ctrl-C to hang up.

Calling
  --to <uri>               whom to call; a bare number is dialled at 127.0.0.1:5060
                           (default ${defaultTarget})
  --from <number|uri>      the calling number (default 0612345678)
  --code <digits>          code to send after the answer; # is added. It is never printed
  --code-after <s>         listen this long before sending it (default 1.5)
  --dtmf rfc4733|info      how keys travel: in the audio stream, or as SIP INFO (default rfc4733)
  --transport udp|tcp      for SIP (default udp)
  --auth <user:password>   when the other side asks for it
  --give-up-after <s>      hang up when not connected by then (default 180)

Answering
  --answer                 wait for calls and take them, one after another or up to four at once
  --listen <host[:port]>   own SIP address (default: the address that leads to --to, any free port;
                           with --answer 127.0.0.1:5070)
  --answer-after <s>       ring this long first (default 1)
  --calls <n>              stop after so many calls (default: go on until Ctrl-C)

Both
  --codec pcma|pcmu        offer this codec only (default: both, pcma first)
  --play <file.wav>        say this, once when calling, over and over when answering (which otherwise
                           says a soft two-tone greeting)
  --record <file.wav>      write the call: left what was heard, right what was said. With --answer
                           the second call goes to file-2.wav, and so on
  --expect-tone <hz>       connected as soon as this tone is heard
  --hangup-after <s>       hang up so long after being connected
  --json                   one JSON object per line instead of the timeline; the last one is the result
  --help

Connected means one of: the gateway said so (it sends SIP INFO, package identity-gateway.call-state,
to phones that ask for it, as this one does); the call's audio was moved to another address, as the
gateway does when it lets caller and agent speak directly; or the tone of --expect-tone was heard.
Without --code an answer with audio is enough, unless the other side tells its state.

Exit codes
${exitCodeTable()}`;

function exitCodeTable(): string {
  const rows = (Object.keys(meanings) as Outcome[]).map((outcome) => [meanings[outcome].exitCode, outcome, meanings[outcome].cause] as const);
  rows.push([usageExitCode, 'failed', 'The command line makes no sense.']);
  return rows.sort(([a], [b]) => a - b).map(([code, , cause]) => `  ${String(code).padStart(3)}  ${cause}`).join('\n');
}

/** Everything wrong with a command line, one sentence each. */
export class UsageError extends Error {
  readonly code = 'PHONE_USAGE';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'UsageError';
  }
}

const flags = {
  to: { type: 'string' }, from: { type: 'string' }, code: { type: 'string' }, 'code-after': { type: 'string' }, dtmf: { type: 'string' },
  transport: { type: 'string' }, auth: { type: 'string' }, 'give-up-after': { type: 'string' }, answer: { type: 'boolean' }, listen: { type: 'string' },
  'answer-after': { type: 'string' }, calls: { type: 'string' }, codec: { type: 'string' }, play: { type: 'string' }, record: { type: 'string' },
  'expect-tone': { type: 'string' }, 'hangup-after': { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
} as const;

/** @throws UsageError */
export function parseCommand(args: readonly string[]): PhoneCommand {
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options: flags, strict: true, allowPositionals: false }));
  } catch (error) {
    // Its messages may quote the argument, which may be a code: only the name of an option is repeated.
    const option = /'(--?[a-z-]+)/.exec((error as Error).message)?.[1];
    throw new UsageError([option ? `${option}: unknown, or without the value it needs` : 'there is an argument that belongs to no option']);
  }
  const given = values;
  const problems: string[] = [];

  const seconds = (name: keyof typeof flags, maxSeconds: number): number | undefined => {
    const text = given[name];
    if (typeof text !== 'string') return undefined;
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > maxSeconds) {
      problems.push(`--${name} ${text}: give a number of seconds from 0 to ${maxSeconds}`);
      return undefined;
    }
    return Math.round(value * 1000);
  };
  const oneOf = <T extends string>(name: keyof typeof flags, choices: readonly T[]): T | undefined => {
    const text = given[name];
    if (typeof text !== 'string') return undefined;
    const found = choices.find((choice) => choice === text.toLowerCase());
    if (!found) problems.push(`--${name} ${text}: choose ${choices.join(' or ')}`);
    return found;
  };
  const whole = (name: keyof typeof flags, min: number, max: number): number | undefined => {
    const text = given[name];
    if (typeof text !== 'string') return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      problems.push(`--${name} ${text}: give a whole number from ${min} to ${max}`);
      return undefined;
    }
    return value;
  };

  let to = given.to ?? defaultTarget;
  if (/^[+*#\d]+$/.test(to)) to = `sip:${to}@127.0.0.1:5060`;
  else if (!/^sip:/i.test(to) && to.includes('@')) to = `sip:${to}`;
  if (!/^sip:[^@\s<>"]+@[^@\s<>"]+$/i.test(to)) problems.push('--to: give a SIP URI such as sip:+31201234567@127.0.0.1:5060, or a number');
  if (given.from !== undefined && !/^(sip:[^@\s<>"]+@[^@\s<>"]+|[+\w.-]+)$/i.test(given.from)) problems.push('--from: give a number, or a SIP URI such as sip:0612345678@example.org');
  if (given.code !== undefined && !/^\d{1,32}#?$/.test(given.code)) problems.push('--code: give 1 to 32 digits');

  let listen: PhoneCommand['listen'] = { host: given.answer ? '127.0.0.1' : undefined, port: given.answer ? 5070 : 0 };
  if (given.listen !== undefined) {
    const match = /^([\d.]+)(?::(\d{1,5}))?$/.exec(given.listen);
    const port = Number(match?.[2] ?? listen.port);
    if (!match || !net.isIPv4(match[1] ?? '') || port > 65_535) problems.push(`--listen ${given.listen}: give an IPv4 address of this machine, with a port or without, such as 127.0.0.1:5070`);
    else listen = { host: match[1], port };
  }
  let auth: PhoneCommand['auth'];
  if (given.auth !== undefined) {
    const colon = given.auth.indexOf(':');
    if (colon < 1) problems.push('--auth: give user:password');
    else auth = { username: given.auth.slice(0, colon), password: given.auth.slice(colon + 1) };
  }
  const onlyCalling = ['to', 'from', 'code', 'code-after', 'dtmf', 'transport', 'auth', 'give-up-after'] as const;
  const onlyAnswering = ['answer-after', 'calls'] as const;
  for (const name of given.answer ? onlyCalling : onlyAnswering) {
    if (given[name] !== undefined) problems.push(`--${name} makes no sense ${given.answer ? 'with' : 'without'} --answer`);
  }
  const codec = oneOf('codec', ['pcma', 'pcmu']);
  const command: PhoneCommand = {
    mode: given.help ? 'help' : given.answer ? 'answer' : 'dial',
    to,
    from: given.from,
    code: given.code,
    codeAfterMs: seconds('code-after', 600) ?? 1_500,
    dtmf: oneOf('dtmf', ['rfc4733', 'info']) ?? 'rfc4733',
    codec: codec === 'pcma' ? 'PCMA' : codec === 'pcmu' ? 'PCMU' : undefined,
    transport: oneOf('transport', ['udp', 'tcp']) ?? 'udp',
    play: given.play,
    record: given.record,
    expectToneHz: whole('expect-tone', 50, 3_900),
    hangupAfterMs: seconds('hangup-after', 86_400),
    giveUpAfterMs: seconds('give-up-after', 86_400) ?? 180_000,
    answerAfterMs: seconds('answer-after', 600) ?? 1_000,
    calls: whole('calls', 1, 1_000_000),
    listen,
    auth,
    json: given.json ?? false,
  };
  if (problems.length > 0 && command.mode !== 'help') throw new UsageError(problems);
  return command;
}
