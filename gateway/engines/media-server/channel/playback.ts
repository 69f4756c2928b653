/** Playing files: one, a list, or one for ever. */
import { SAMPLE_RATE_HZ, TELEPHONE_EVENT_DIGITS } from '../rtp/index.js';
import type { AppRun, Wake } from './app-run.js';
import type { AppResult } from './applications.js';
import type { Channel } from './channel.js';

/** What is reported of the last file that was played. */
export const PLAYBACK_RESULTS = ['playback_seconds', 'playback_ms', 'playback_samples', 'playback_last_offset_pos', 'playback_terminator_used'] as const;

const FILE_PLAYED: AppResult = { response: 'FILE PLAYED', results: PLAYBACK_RESULTS };
/** The time limit or a bridge ended it; clients take it for a play like any other. */
const PLAYBACK_ERROR: AppResult = { response: 'PLAYBACK ERROR', results: PLAYBACK_RESULTS };
const FILE_NOT_FOUND: AppResult = { response: 'FILE NOT FOUND', results: PLAYBACK_RESULTS };
/** Pause between the files of a list, unless `playback_sleep_val` says otherwise. */
const LIST_PAUSE_MS = 250;
const MAX_LIST = 256;
/** A shorter limit is no limit, as applications are used to. */
const MIN_TIMEOUT_SECS = 2;

export type PlayOutcome = 'done' | 'break' | 'timeout' | 'hangup' | 'missing' | { readonly digit: string };

export interface PlayOptions {
  /** One of these keys ends the file. */
  stopOnDigits?: string;
  timeoutMs?: number | undefined;
}

/** Plays one file with its events and figures. */
export async function playFile(channel: Channel, run: AppRun, name: string, options: PlayOptions = {}): Promise<PlayOutcome> {
  // what needs no file begins at once, before any command that came together with this one
  const source = channel.sounds.openStream(name) ?? (await channel.sounds.open(name, channel.getVariable('sound_prefix')));
  if (!source) return 'missing';
  if (run.isHungUp) return 'hangup';
  const file = name.replace(/@@\d+$/, '');
  const begin = source.position;
  channel.publish('PLAYBACK_START', { 'Playback-File-Type': fileType(file), 'Playback-File-Path': file });
  const untilMs = options.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs;
  let outcome: PlayOutcome | undefined;
  while (outcome === undefined) {
    const wake: Wake = await run.wait({ source, breakable: true, digits: options.stopOnDigits !== undefined, ...(untilMs !== undefined && { untilMs }) });
    if (wake.kind === 'ended') outcome = 'done';
    else if (wake.kind !== 'digit') outcome = wake.kind;
    else if (options.stopOnDigits?.includes(wake.digit)) outcome = { digit: wake.digit };
  }
  const samples = source.position - begin;
  channel.setVariable('playback_last_offset_pos', String(source.position));
  channel.setVariable('playback_seconds', String(Math.floor(samples / SAMPLE_RATE_HZ)));
  channel.setVariable('playback_ms', String(Math.floor((samples * 1000) / SAMPLE_RATE_HZ)));
  channel.setVariable('playback_samples', String(samples));
  channel.publish('PLAYBACK_STOP', { 'Playback-File-Type': fileType(file), 'Playback-File-Path': file, 'Playback-Status': outcome === 'break' || typeof outcome === 'object' ? 'break' : 'done' });
  return outcome;
}

function fileType(name: string): string {
  const scheme = /^([a-z_]+):\/\//.exec(name)?.[1];
  return scheme ?? 'file';
}

/** Keys that end a playback, from the channel's variable; `none` or nothing: no key does. */
function terminators(channel: Channel): string | undefined {
  const keys = channel.getVariable('playback_terminators');
  if (keys === undefined || keys === 'none') return undefined;
  return keys === 'any' ? TELEPHONE_EVENT_DIGITS : keys;
}

function playOptions(channel: Channel): PlayOptions {
  const stopOnDigits = terminators(channel);
  const timeoutSecs = Number(channel.getVariable('playback_timeout_sec'));
  return { ...(stopOnDigits !== undefined && { stopOnDigits }), ...(timeoutSecs >= MIN_TIMEOUT_SECS && { timeoutMs: timeoutSecs * 1000 }) };
}

/** A file, or with `playback_delimiter` a list of files; missing ones of a list are passed over. */
export async function playback(channel: Channel, run: AppRun, argument: string): Promise<AppResult> {
  const delimiter = channel.getVariable('playback_delimiter');
  const files = delimiter === undefined || argument.startsWith('file_string://') ? [argument] : argument.split(delimiter).slice(0, MAX_LIST);
  const pauseMs = Number(channel.getVariable('playback_sleep_val') ?? LIST_PAUSE_MS);
  channel.setVariable('playback_terminator_used', undefined);
  let found = files.length > 1;
  for (const [index, file] of files.entries()) {
    if (index > 0 && pauseMs > 0 && (await run.wait({ untilMs: performance.now() + pauseMs })).kind === 'hangup') break;
    const outcome = await playFile(channel, run, file, playOptions(channel));
    if (outcome !== 'missing') found = true;
    if (typeof outcome === 'object') {
      channel.setVariable('playback_terminator_used', outcome.digit);
      break;
    }
    if (outcome === 'timeout' || (outcome === 'hangup' && run.isTransferred)) return PLAYBACK_ERROR;
    if (outcome === 'hangup') break;
  }
  return found ? FILE_PLAYED : FILE_NOT_FOUND;
}

/** The same file again and again; a break begins it anew. */
export async function endlessPlayback(channel: Channel, run: AppRun, argument: string): Promise<AppResult> {
  for (;;) {
    const begun = performance.now();
    const outcome = await playFile(channel, run, argument, {});
    if (outcome === 'missing') return FILE_NOT_FOUND;
    if (outcome === 'hangup') return FILE_PLAYED;
    // an empty file must not become a busy loop
    if (performance.now() - begun < 20 && (await run.wait({ untilMs: begun + 20 })).kind === 'hangup') return FILE_PLAYED;
  }
}
