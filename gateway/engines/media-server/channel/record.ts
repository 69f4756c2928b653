/** `record file [limit seconds [threshold [silence hits]]]`: takes down what the caller says. */
import type { AppRun } from './app-run.js';
import type { AppResult } from './applications.js';
import type { Channel } from './channel.js';

const RECORD_RESULTS = ['record_seconds', 'record_ms', 'record_samples', 'playback_terminator_used'];
const MAX_RECORD_MS = 2 * 3600 * 1000;

/** Ends at the limit, at a key of `playback_terminators`, at a break or at the end of the call. Silence does not end it. */
export async function record(channel: Channel, run: AppRun, argument: string): Promise<AppResult> {
  const [file = '', limitSecs] = argument.trim().split(/\s+/);
  const limitMs = Number(limitSecs) > 0 ? Math.min(MAX_RECORD_MS, Number(limitSecs) * 1000) : MAX_RECORD_MS;
  const terminators = channel.getVariable('playback_terminators') ?? '';
  channel.setVariable('playback_terminator_used', undefined);
  const begunMs = performance.now();
  if (!channel.startRecording(file, limitMs)) return { response: '-ERR', results: RECORD_RESULTS };
  for (;;) {
    const wake = await run.wait({ untilMs: begunMs + limitMs, digits: true, breakable: true });
    if (wake.kind === 'digit') {
      if (terminators === 'none' || !(terminators === 'any' || terminators.includes(wake.digit))) continue;
      channel.setVariable('playback_terminator_used', wake.digit);
    }
    break;
  }
  channel.stopRecording(file);
  const ms = Math.round(performance.now() - begunMs);
  channel.setVariable('record_ms', String(ms));
  channel.setVariable('record_seconds', String(Math.floor(ms / 1000)));
  channel.setVariable('record_samples', String(ms * 8));
  return { response: '_none_', results: RECORD_RESULTS };
}
