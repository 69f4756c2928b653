/** The applications of this media server, by name. */
import type { AppRun } from './app-run.js';
import { hangupCause } from './causes.js';
import type { Channel } from './channel.js';
import { endlessPlayback, playback } from './playback.js';
import { playAndGetDigits } from './play-and-get-digits.js';
import { record } from './record.js';
import { threeWay } from './three-way.js';

export interface AppResult {
  /** What `Application-Response` says. */
  response: string;
  /** Variables that `CHANNEL_EXECUTE_COMPLETE` carries. */
  results?: readonly string[];
  /** Done after the completion was told. */
  afterwards?: () => void;
}

/** Applications that are over at once return a result; those that wait, a promise. */
export type Application = (channel: Channel, run: AppRun, argument: string) => AppResult | Promise<AppResult>;

const NONE: AppResult = { response: '_none_' };
const MAX_SLEEP_MS = 24 * 3600 * 1000;

function assign(channel: Channel, text: string): void {
  const equals = text.indexOf('=');
  const name = (equals < 0 ? text : text.slice(0, equals)).trim();
  if (name) channel.setVariable(name, equals < 0 ? undefined : text.slice(equals + 1));
}

/** `^^<d>a=1<d>b=2`, or blanks between the pairs. */
function assignAll(channel: Channel, text: string): void {
  const pairs = text.startsWith('^^') && text.length > 2 ? text.slice(3).split(text[2]!) : text.split(/\s+/);
  for (const pair of pairs) if (pair) assign(channel, pair);
}

async function sleep(channel: Channel, run: AppRun, argument: string): Promise<AppResult> {
  const ms = Math.min(MAX_SLEEP_MS, Math.max(0, Number.parseInt(argument, 10) || 0));
  await run.wait({ untilMs: performance.now() + ms, breakable: true });
  return NONE;
}

async function park(_channel: Channel, run: AppRun): Promise<AppResult> {
  await run.wait({});
  return NONE;
}

function sendDtmf(channel: Channel, argument: string): void {
  const [digits = '', duration] = argument.split('@');
  const durationMs = Number(duration);
  void channel.session.sendDigits(digits.trim().slice(0, 128), durationMs > 0 ? { durationMs, gapMs: 40 } : { gapMs: 40 });
}

const nothing: Application = () => NONE;

export const APPLICATIONS: ReadonlyMap<string, Application> = new Map<string, Application>([
  ['playback', playback],
  ['endless_playback', endlessPlayback],
  ['play_and_get_digits', playAndGetDigits],
  ['record', record],
  ['record_session', (channel, _run, argument) => {
    const [file = '', limitSecs] = argument.trim().split(/\s+\+?(?=\d+$)/);
    const started = file !== '' && channel.startRecording(file, Number(limitSecs) > 0 ? Number(limitSecs) * 1000 : undefined);
    return started ? NONE : { response: '-ERR' };
  }],
  ['stop_record_session', (channel, _run, argument) => {
    channel.stopRecording(argument.trim());
    return NONE;
  }],
  ['set', (channel, _run, argument) => {
    assign(channel, argument);
    return NONE;
  }],
  ['export', (channel, _run, argument) => {
    assign(channel, argument.replace(/^nolocal:/, ''));
    return NONE;
  }],
  ['unset', (channel, _run, argument) => {
    channel.setVariable(argument.trim(), undefined);
    return NONE;
  }],
  ['multiset', (channel, _run, argument) => {
    assignAll(channel, argument);
    return NONE;
  }],
  ['set_mute', (channel, _run, argument) => {
    const [direction = 'read', value = 'true'] = argument.trim().split(/\s+/);
    if (direction === 'read' || direction === 'both') channel.session.receiveMuted = value === 'true' || value === 'on' || /^[1-9]/.test(value);
    return NONE;
  }],
  ['hangup', (channel, _run, argument) => ({ ...NONE, afterwards: () => channel.hangup(hangupCause(argument)) })],
  ['send_dtmf', (channel, _run, argument) => {
    sendDtmf(channel, argument);
    return NONE;
  }],
  ['break', (channel) => ({ ...NONE, afterwards: () => channel.break() })],
  ['sleep', sleep],
  ['park', park],
  ['three_way', threeWay],
  ['answer', nothing],
  ['pre_answer', nothing],
  ['flush_dtmf', nothing],
  ['start_dtmf', nothing],
  ['stop_dtmf', nothing],
  ['spandsp_start_dtmf', nothing],
  ['spandsp_stop_dtmf', nothing],
]);
