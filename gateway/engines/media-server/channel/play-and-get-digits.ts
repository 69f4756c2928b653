/**
 * Prompt, and keys: `min max tries timeout terminators file invalidFile variable regexp digitTimeout`.
 *
 * A key pressed during the prompt stops it and counts; earlier ones are lost. After the prompt there are `timeout` ms for
 * the first key and `digitTimeout` ms between keys.
 */
import { TELEPHONE_EVENT_DIGITS } from '../rtp/index.js';
import type { AppRun } from './app-run.js';
import type { AppResult } from './applications.js';
import type { Channel } from './channel.js';
import { PLAYBACK_RESULTS, playFile } from './playback.js';

const MIN_TIMEOUT_MS = 1000;
const MAX_TIMEOUT_MS = 24 * 3600 * 1000;
const MAX_DIGITS = 128;
const MAX_TRIES = 100;
const MAX_REGEXP_CHARS = 512;

interface Options {
  min: number;
  max: number;
  tries: number;
  timeoutMs: number;
  terminators: string;
  file: string;
  invalidFile: string;
  variable: string;
  regexp: string;
  digitTimeoutMs: number;
}

/** Splits at blanks; a part in single quotes may hold them. */
const words = (text: string): string[] => [...text.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);

function parse(argument: string): Options | undefined {
  const [min, max, tries, timeout, terminators, file, invalidFile, variable, regexp, digitTimeout] = words(argument);
  if (file === undefined || variable === undefined) return undefined;
  const timeoutMs = limited(timeout, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS);
  return {
    min: limited(min, 0, MAX_DIGITS),
    max: limited(max, 1, MAX_DIGITS),
    tries: limited(tries, 1, MAX_TRIES),
    timeoutMs,
    terminators: terminators === 'none' ? '' : (terminators ?? ''),
    file,
    invalidFile: invalidFile ?? 'silence_stream://250',
    variable,
    regexp: (regexp ?? '\\d+').slice(0, MAX_REGEXP_CHARS),
    digitTimeoutMs: digitTimeout === undefined ? timeoutMs : limited(digitTimeout, 1, MAX_TIMEOUT_MS),
  };
}

const limited = (text: string | undefined, least: number, most: number): number => Math.min(most, Math.max(least, Number.parseInt(text ?? '', 10) || 0));

type Attempt = { digits: string; ended: 'full' | 'terminator' | 'timeout' | 'missing' | 'hangup'; terminator?: string };

async function attempt(channel: Channel, run: AppRun, options: Options): Promise<Attempt> {
  let digits = '';
  /** Takes a key; returns the attempt when it is complete with it. */
  const take = (digit: string): Attempt | undefined => {
    if (options.terminators.includes(digit)) return { digits, ended: 'terminator', terminator: digit };
    digits += digit;
    return digits.length >= options.max ? { digits, ended: 'full' } : undefined;
  };
  const prompted = await playFile(channel, run, options.file, { stopOnDigits: TELEPHONE_EVENT_DIGITS });
  if (prompted === 'missing' || prompted === 'hangup') return { digits, ended: prompted };
  if (typeof prompted === 'object') {
    const complete = take(prompted.digit);
    if (complete) return complete;
  }
  for (;;) {
    const wake = await run.wait({ digits: true, untilMs: performance.now() + (digits === '' ? options.timeoutMs : options.digitTimeoutMs) });
    if (wake.kind === 'hangup') return { digits, ended: 'hangup' };
    if (wake.kind === 'timeout') return { digits, ended: 'timeout' };
    if (wake.kind !== 'digit') continue;
    const complete = take(wake.digit);
    if (complete) return complete;
  }
}

function matches(regexp: string, digits: string): boolean {
  try {
    return new RegExp(regexp).test(digits);
  } catch {
    return false;
  }
}

export async function playAndGetDigits(channel: Channel, run: AppRun, argument: string): Promise<AppResult> {
  const options = parse(argument);
  if (!options) return { response: '-ERR missing arguments' };
  const { variable } = options;
  const result: AppResult = { response: '_none_', results: [variable, `${variable}_invalid`, 'read_terminator_used', 'read_result', ...PLAYBACK_RESULTS] };
  channel.setVariable(variable, undefined);
  channel.setVariable(`${variable}_invalid`, undefined);
  for (let tried = 0; tried < options.tries; tried++) {
    const { digits, ended, terminator } = await attempt(channel, run, options);
    if (terminator !== undefined && digits !== '') channel.setVariable('read_terminator_used', terminator);
    if (ended === 'hangup') {
      channel.setVariable('read_result', 'hangup');
      return result;
    }
    if (ended === 'timeout' && digits === '' && options.min === 0) {
      channel.setVariable('read_result', 'timeout');
      return result;
    }
    const enough = digits !== '' && digits.length >= options.min;
    if (enough && matches(options.regexp, digits)) {
      channel.setVariable(variable, digits);
      channel.setVariable('read_result', ended === 'timeout' ? 'timeout' : 'success');
      return result;
    }
    if (enough) {
      channel.setVariable(`${variable}_invalid`, digits);
      channel.setVariable('read_result', 'success');
    } else {
      channel.setVariable(variable, digits);
      channel.setVariable('read_result', 'failure');
    }
    if ((await playFile(channel, run, options.invalidFile)) === 'hangup') return result;
    if (tried + 1 < options.tries) channel.setVariable(variable, undefined);
  }
  return result;
}
