/** `npm run call`: see options.ts for what it takes, outcome.ts for how it ends. */
import path from 'node:path';
import type { Codec } from '../engines/media-server/rtp/index.js';
import type { CallResult, PhoneCall } from './call.js';
import { UsageError, helpText, parseCommand, type PhoneCommand } from './options.js';
import { meanings, usageExitCode } from './outcome.js';
import { Phone } from './phone.js';
import { localAddressTowards } from './sip-line.js';
import { readWavFile } from './sources.js';
import { line, summary } from './timeline.js';

const colours = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;

function show(call: PhoneCall, json: boolean): void {
  call.on('event', (event) => { console.log(json ? JSON.stringify(event) : line(event, colours)); });
}

function showResult(result: CallResult, json: boolean): void {
  console.log(json ? JSON.stringify({ kind: 'result', ...result }) : summary(result, colours));
}

function save(call: PhoneCall, file: string): void {
  try {
    call.saveRecording(file);
  } catch (error) {
    console.error(`The recording could not be written to ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
}

/**
 * Calls `onInterrupt` at Ctrl-C or a polite kill; at a second one, a second later or more, the process ends.
 * (npm and the launcher each pass the signal on, so that one Ctrl-C may arrive several times.)
 */
function onInterrupt(act: () => void): void {
  let firstAtMs: number | undefined;
  const interrupted = (): void => {
    if (firstAtMs === undefined) {
      firstAtMs = Date.now();
      act();
    } else if (Date.now() - firstAtMs > 1_000) {
      process.exit(meanings.interrupted.exitCode);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupted);
}

async function runDial(command: PhoneCommand, codecs: readonly Codec[], speech: Int16Array | undefined): Promise<number> {
  const target = /@\[?([^\]:;>]+)/.exec(command.to)?.[1] ?? '127.0.0.1';
  const phone = await Phone.open({ host: command.listen.host ?? (await localAddressTowards(target)), port: command.listen.port });
  try {
    const call = phone.call({
      to: command.to,
      dtmf: command.dtmf,
      transport: command.transport,
      codecs,
      codeAfterMs: command.codeAfterMs,
      giveUpAfterMs: command.giveUpAfterMs,
      record: command.record !== undefined,
      ...(command.from === undefined ? {} : { from: command.from }),
      ...(command.code === undefined ? {} : { code: command.code }),
      ...(command.auth === undefined ? {} : { auth: command.auth }),
      ...(command.expectToneHz === undefined ? {} : { expectToneHz: command.expectToneHz }),
      ...(command.hangupAfterMs === undefined ? {} : { hangupAfterMs: command.hangupAfterMs }),
      ...(speech === undefined ? {} : { say: { samples: speech, forever: false } }),
    });
    show(call, command.json);
    onInterrupt(() => { void call.hangup('hung up here'); });
    const result = await call.done;
    if (command.record !== undefined) save(call, command.record);
    showResult(result, command.json);
    return result.exitCode;
  } finally {
    await phone.close();
  }
}

/** "out.wav" for the first call, "out-2.wav" for the second. */
function numbered(file: string, index: number): string {
  if (index === 1) return file;
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}-${index}${ext}`);
}

async function runAnswer(command: PhoneCommand, codecs: readonly Codec[], speech: Int16Array | undefined): Promise<number> {
  const phone = await Phone.open({ host: command.listen.host ?? '127.0.0.1', port: command.listen.port });
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => { stop = resolve; });
  onInterrupt(stop);
  let began = 0;
  let over = 0;
  phone.answer({
    answerAfterMs: command.answerAfterMs,
    codecs,
    record: command.record !== undefined,
    ...(command.hangupAfterMs === undefined ? {} : { hangupAfterMs: command.hangupAfterMs }),
    ...(command.expectToneHz === undefined ? {} : { expectToneHz: command.expectToneHz }),
    ...(speech === undefined ? {} : { say: { samples: speech, forever: true } }),
    onCall: (call) => {
      const index = ++began;
      show(call, command.json);
      void call.done.then((result) => {
        if (command.record !== undefined) save(call, numbered(command.record, index));
        showResult(result, command.json);
        over++;
        if (command.calls !== undefined && over >= command.calls) stop();
        else if (!command.json) console.log('\nwaiting for the next call');
      });
    },
  });
  if (command.json) console.log(JSON.stringify({ kind: 'listening', uri: phone.uri }));
  else console.log(`Waiting for calls at ${phone.uri} (UDP and TCP). Ctrl-C ends.`);
  await stopped;
  await phone.close();
  return 0;
}

async function main(): Promise<number> {
  let command: PhoneCommand;
  let speech: Int16Array | undefined;
  try {
    command = parseCommand(process.argv.slice(2));
    if (command.mode === 'help') {
      console.log(helpText);
      return 0;
    }
    if (command.play !== undefined) speech = readWavFile(command.play);
  } catch (error) {
    const problems = error instanceof UsageError ? error.problems : [`--play: ${(error as Error).message}`];
    for (const problem of problems) console.error(problem);
    console.error('npm run call -- --help tells more.');
    return usageExitCode;
  }
  const codecs: readonly Codec[] = command.codec ? [command.codec] : ['PCMA', 'PCMU'];
  try {
    return await (command.mode === 'answer' ? runAnswer(command, codecs, speech) : runDial(command, codecs, speech));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') console.error('That address is taken by another program: give another port with --listen.');
    else if (code === 'EADDRNOTAVAIL') console.error('That is no address of this machine: see --listen.');
    else console.error(`The phone failed: ${message}`);
    return meanings.failed.exitCode;
  }
}

process.exitCode = await main();
