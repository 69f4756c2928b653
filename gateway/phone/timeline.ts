/** The call as a human reads it. */
import { styleText } from 'node:util';
import type { CallResult } from './call.js';
import type { CallState, Evidence, PhoneEvent } from './events.js';

type Style = Parameters<typeof styleText>[0];

const said: Readonly<Record<CallState, string>> = {
  greeting: 'the gateway greets',
  collecting: 'the gateway takes the code',
  waiting: 'waiting for an agent',
  'ringing-agent': "an agent's phone rings",
  connected: 'the gateway has connected us',
  ended: 'the gateway ends the call',
};
const evidence: Readonly<Record<Evidence, string>> = {
  told: 'the gateway says so',
  moved: 'our audio now goes straight to the other party',
  tone: 'the expected tone was heard',
  answered: 'answered, and we hear them',
};

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

function describe(event: PhoneEvent): readonly [text: string, style: Style | undefined] {
  switch (event.kind) {
    case 'dialling': return [`dialling ${event.to} as ${event.from} (${event.transport.toUpperCase()})`, undefined];
    case 'incoming': return [`call from ${event.from}`, undefined];
    case 'progress': return [event.status === 180 ? 'ringing' : `${event.status} ${event.reason}`, undefined];
    case 'answered': return [`answered after ${seconds(event.afterMs)} · ${event.codec}, keys by ${event.keys === 'info' ? 'SIP INFO' : 'RFC 4733'}, their audio at ${event.media || 'an address to come'}`, 'cyan'];
    case 'first-audio': return ['first audio heard', undefined];
    case 'pressing': return [`sending ${event.keys} keys (not shown)`, undefined];
    case 'pressed': return ['keys sent', undefined];
    case 'told': return [said[event.state], 'cyan'];
    case 'media-moved': return [`their audio moved to ${event.to}`, undefined];
    case 'held': return ['put on hold', 'yellow'];
    case 'resumed': return ['taken off hold', undefined];
    case 'tone-heard': return [`tone of ${event.hz} Hz heard`, undefined];
    case 'connected': return [`connected (${evidence[event.how]})`, ['bold', 'green']];
    case 'notice': return [`note: ${event.text}`, 'yellow'];
    case 'ended': return [`${event.by === 'us' ? 'ended by us' : event.by === 'them' ? 'ended by the other side' : 'ended'}: ${event.why}`, undefined];
  }
}

const paint = (style: Style | undefined, text: string, colours: boolean): string => (colours && style !== undefined ? styleText(style, text) : text);

/** Text from the network must not reach a terminal with control characters in it. */
const harmless = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');

/** One line of the timeline, e.g. "  1.52 s  keys sent". */
export function line(event: PhoneEvent, colours: boolean): string {
  const [text, style] = describe(event);
  return `${(event.atMs / 1000).toFixed(2).padStart(7)} s  ${paint(style, harmless(text), colours)}`;
}

/** What is said when all is over. */
export function summary(result: CallResult, colours: boolean): string {
  const { statistics: s } = result;
  const expected = s.packetsReceived + s.lost;
  const lines = [''];
  if (result.answeredAfterMs !== undefined) {
    const share = expected > 0 ? ((100 * s.lost) / expected).toFixed(1) : '0.0';
    lines.push(`  audio: ${s.packetsSent} packets sent, ${s.packetsReceived} received, ${s.lost} lost (${share} %), jitter ${s.jitterMs.toFixed(1)} ms`);
    if (s.remoteFractionLost !== undefined) lines.push(`  they report: ${(100 * s.remoteFractionLost).toFixed(1)} % lost${s.roundTripMs === undefined ? '' : `, round trip ${s.roundTripMs.toFixed(1)} ms`}`);
  }
  if (result.connected) {
    lines.push(paint(['bold', 'green'], `  Connected after ${seconds(result.connectedAfterMs ?? 0)}.`, colours));
  } else {
    lines.push(paint(['bold', 'red'], `  ${result.cause}`, colours));
    if (result.fix) lines.push(`  ${result.fix}`);
  }
  return lines.join('\n');
}
