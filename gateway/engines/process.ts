/**
 * The embedded engines' own process: an event loop for signalling and media that the gateway's work cannot hold up, and
 * whose death the gateway survives. Started by spawn.ts; told what to do by one message; ends when its parent is gone.
 */
import os from 'node:os';
import { startMediaServer, type MediaServer } from './media-server/index.js';
import { startSipServer, type SipServer } from './sip-server/index.js';
import type { EngineLog } from './log.js';
import type { EngineOptions, FromEngines, ToEngines } from './spawn.js';
import { StrangerTally } from './stranger-tally.js';

/** Audio that comes late is audio lost: where we may, the kernel lets this process go first, as media servers ask for. */
function goFirst(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_HIGH);
  } catch {
    // Not allowed to this user: then we share like everybody else.
  }
}

let sip: SipServer | undefined;
let media: MediaServer | undefined;
const strangers = new StrangerTally((requests) => tell({ type: 'strangers', requests }));

function tell(message: FromEngines): void {
  if (process.connected) process.send?.(message);
}

function logTo(engine: 'sip' | 'media'): EngineLog {
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, words: string) => tell({ type: 'log', level, fields: { ...fields, engine }, words });
  // Debug lines of engines concern single packets: they would cost more than what they describe.
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') };
}

async function start(options: EngineOptions): Promise<void> {
  goFirst();
  try {
    sip = await startSipServer({ ...options.sip, log: logTo('sip'), onStranger: (method, source) => strangers.note(method, source) });
    media = await startMediaServer({ ...options.media, log: logTo('media') });
    tell({ type: 'ready', sip: sip.sip, admin: sip.admin, media: media.esl, mediaSip: media.sip });
  } catch (error) {
    tell({ type: 'failed', problem: error instanceof Error ? error.message : String(error), code: error instanceof Error && 'code' in error ? String(error.code) : undefined });
    await stop(1);
  }
}

async function stop(code: number): Promise<void> {
  // A socket that will not close must not keep a process nobody needs.
  setTimeout(() => process.exit(code), 2_000).unref();
  strangers.close();
  await Promise.allSettled([sip?.close(), media?.close()]);
  process.exit(code);
}

process.on('message', (message: ToEngines) => {
  switch (message.type) {
    case 'start': return void start(message.options);
    case 'stats': return tell({ type: 'stats', id: message.id, sip: { ...sip?.stats() }, media: { ...media?.stats() }, memoryBytes: process.memoryUsage.rss() });
    case 'sipFrom': return media?.takeSipFrom(message.addresses);
    case 'dialogs': return tell({ type: 'dialogs', id: message.id, ids: sip?.dialogs() ?? [] });
    case 'endDialog': return sip?.endDialog(message.dialog);
    case 'stop': return void stop(0);
  }
});
process.on('disconnect', () => void stop(0));
// The terminal signals the whole group; the parent decides when the engines end.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// What nobody foresaw in handling a packet must cost that packet, not every call.
process.on('uncaughtException', (error) => tell({ type: 'log', level: 'error', fields: { problem: error.stack ?? error.message }, words: 'unexpected error in the engines' }));
process.on('unhandledRejection', (error) => tell({ type: 'log', level: 'error', fields: { problem: error instanceof Error ? error.stack : String(error) }, words: 'unexpected rejection in the engines' }));
