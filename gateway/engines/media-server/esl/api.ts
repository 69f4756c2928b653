/** The api commands: one line in, text out, at once. */
import { randomUUID } from 'node:crypto';
import { hangupCause } from '../channel/causes.js';
import type { Channel } from '../channel/channel.js';
import { plainHeaders } from '../events.js';
import { VERSION, type ServerContext } from './context.js';

type ApiCommand = (context: ServerContext, argument: string) => string;

const OK = '+OK\n';
const NO_CHANNEL = '-ERR No such channel!\n';
const RULER = '='.repeat(97);

const withChannel = (usage: string, act: (channel: Channel, rest: string, context: ServerContext) => string, missing = NO_CHANNEL): ApiCommand => (context, argument) => {
  const [, uuid = '', rest = ''] = /^(\S*)\s*([^]*)$/.exec(argument.trim()) ?? [];
  if (uuid === '') return `-USAGE: ${usage}\n`;
  const channel = context.channels.get(uuid);
  return channel ? act(channel, rest, context) : missing;
};

function uptime(context: ServerContext): string {
  const ms = Date.now() - context.startedAt.getTime();
  const [days, hours, minutes, seconds] = [Math.floor(ms / 86_400_000), Math.floor(ms / 3_600_000) % 24, Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60];
  const plural = (count: number, unit: string): string => `${count} ${unit}${count === 1 ? '' : 's'}`;
  return `0 years, ${plural(days, 'day')}, ${plural(hours, 'hour')}, ${plural(minutes, 'minute')}, ${plural(seconds, 'second')}`;
}

function status(context: ServerContext): string {
  return [
    `UP ${uptime(context)}, ${(Date.now() - context.startedAt.getTime()) % 1000} milliseconds, 0 microseconds`,
    `FreeSWITCH (Version ${VERSION} 64bit) is ready`,
    `${context.sessionsSinceStart()} session(s) since startup`,
    `${context.channels.size} session(s) - peak ${context.sessionsPeak()}, last 5min ${context.channels.size} `,
    '0 session(s) per Sec out of max 500, peak 0, last 5min 0 ',
    `${context.maxSessions} session(s) max`,
    'min idle cpu 0.00/100.00',
    '',
  ].join('\n');
}

function sofia(context: ServerContext, argument: string): string {
  const { host, port } = context.sipAddress();
  const address = `sip:mod_sofia@${host}:${port}`;
  const [verb, what, name] = argument.trim().split(/\s+/);
  if (verb !== 'status') return '-ERR Unknown command!\n';
  if (what === 'profile') {
    if (name !== context.profile) return 'Invalid Profile!\n';
    return [RULER, `Name             \t${name}`, 'Domain Name      \tN/A', 'Auto-NAT         \tfalse', 'Dialplan         \tXML', 'Context          \tmrf', `RTP-IP           \t${host}`, `SIP-IP           \t${host}`, `URL              \t${address}`, `BIND-URL         \t${address};transport=udp,tcp`, 'CODECS IN        \tPCMA,PCMU', `CALLS-IN         \t${context.sessionsSinceStart()}`, RULER, ''].join('\n');
  }
  return [
    `${'Name'.padStart(25)}\t${'Type'.padStart(7)}\t${'Data'.padStart(42)}\tState`,
    RULER,
    `${context.profile.padStart(25)}\tprofile\t${' '.repeat(14)}${address}\tRUNNING (${context.channels.size})`,
    RULER,
    '1 profile 0 aliases',
    '',
  ].join('\n');
}

function show(context: ServerContext, argument: string): string {
  const words = argument.trim().split(/\s+/);
  const bridged = words[0] === 'calls' || words[0] === 'bridged_calls';
  if (words[0] !== 'channels' && !bridged) return `-ERR Unknown object [${words[0]?.slice(0, 32) ?? ''}]!\n`;
  const channels = [...context.channels.values()].filter((channel) => !bridged || channel.bridgedTo);
  if (words.includes('count')) return `\n${channels.length} total.\n`;
  const rows = channels.map((channel) => ({ uuid: channel.uuid, direction: 'inbound', created: channel.createdAt.toISOString(), name: channel.name, callstate: channel.dump()['Channel-Call-State'] ?? '', b_uuid: channel.bridgedTo?.uuid ?? '' }));
  if (words.includes('json')) return JSON.stringify({ row_count: rows.length, rows });
  return [Object.keys(rows[0] ?? { uuid: '' }).join(','), ...rows.map((row) => Object.values(row).join(',')), '', `${rows.length} total.`, ''].join('\n');
}

/** Counters as variables of a dump, once they were asked for. */
function setMediaStats(channel: Channel): string {
  const stats = channel.session.stats();
  const figures: Record<string, number> = {
    rtp_audio_in_raw_bytes: stats.octetsReceived + 12 * stats.packetsReceived,
    rtp_audio_in_media_bytes: stats.octetsReceived + 12 * stats.packetsReceived,
    rtp_audio_in_packet_count: stats.packetsReceived,
    rtp_audio_in_media_packet_count: stats.packetsReceived,
    rtp_audio_in_skip_packet_count: stats.lost,
    rtp_audio_in_dtmf_packet_count: stats.digitsReceived,
    rtp_audio_in_jitter_min_variance: Math.round(stats.jitterMs),
    rtp_audio_in_jitter_max_variance: Math.round(stats.jitterMs),
    rtp_audio_out_raw_bytes: stats.octetsSent + 12 * stats.packetsSent,
    rtp_audio_out_media_bytes: stats.octetsSent + 12 * stats.packetsSent,
    rtp_audio_out_packet_count: stats.packetsSent,
    rtp_audio_out_media_packet_count: stats.packetsSent,
  };
  for (const [name, value] of Object.entries(figures)) channel.setVariable(name, String(value));
  return '+OK:\n';
}

function bridge(context: ServerContext, argument: string): string {
  const [a, b] = argument.trim().split(/\s+/);
  if (!a || !b) return '-USAGE: <uuid> <other_uuid>\n';
  const [first, second] = [context.channels.get(a), context.channels.get(b)];
  if (!first || !second || first === second) return '-ERR Invalid uuid\n';
  first.bridge(second);
  return `+OK ${b}\n`;
}

function transfer(channel: Channel, rest: string): string {
  const words = rest.trim().split(/\s+/);
  const leg = /^-(both|bleg)$/.exec(words[0] ?? '')?.[1];
  const [destination, dialplan] = leg ? words.slice(1) : words;
  if (!destination) return '-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n';
  // there is no dialplan here: only its inline form, and only to wait or to end
  const [application, argument = ''] = destination.split(':');
  if (dialplan !== 'inline' || (application !== 'park' && application !== 'hangup')) return '-ERR Only inline park and hangup can be transferred to\n';
  const target = leg === 'bleg' ? channel.bridgedTo : channel;
  if (!target) return '-ERR No such channel!\n';
  if (application === 'hangup') {
    const other = leg === 'both' ? target.bridgedTo : undefined;
    target.hangup(hangupCause(argument || 'NORMAL_CLEARING'));
    other?.hangup(hangupCause(argument || 'NORMAL_CLEARING'));
  } else {
    target.park(leg === 'both');
  }
  return OK;
}

function broadcast(channel: Channel, rest: string): string {
  const match = /^([^]*?)(?:\s+(aleg|bleg|both|holdb?))?\s*$/.exec(rest);
  const what = match?.[1]?.trim() ?? '';
  if (what === '') return '-USAGE: <uuid> <path> [aleg|bleg|holdb|both]\n';
  const [application, argument] = /^[a-z_]+::/.test(what) ? (what.split(/::(.*)/s) as [string, string]) : ['playback', what];
  const leg = match?.[2] ?? 'aleg';
  const targets = [leg === 'bleg' ? undefined : channel, leg === 'aleg' ? undefined : channel.bridgedTo];
  for (const target of targets) target?.execute({ application, argument, applicationUuid: randomUUID() });
  return '+OK Message sent\n';
}

function sendDtmf(channel: Channel, rest: string): string {
  const digits = rest.trim();
  if (digits === '') return '-USAGE: <uuid> <dtmf_data>\n';
  channel.execute({ application: 'send_dtmf', argument: digits, applicationUuid: randomUUID() });
  return `+OK ${channel.uuid} sent DTMF ${digits}.\n`;
}

function receiveDtmf(channel: Channel, rest: string): string {
  const [digits = '', ms = '100'] = rest.trim().split('@');
  for (const digit of digits.slice(0, 128)) if ('0123456789*#ABCD'.includes(digit)) channel.receiveDigit(digit, Number(ms) * 8 || 800, 'APP');
  return OK;
}

function record(channel: Channel, rest: string): string {
  const [verb, file, limitSecs] = rest.trim().split(/\s+/);
  if (!file || (verb !== 'start' && verb !== 'stop')) return '-USAGE: <uuid> [start|stop] <path> [<limit>]\n';
  const done = verb === 'start' ? channel.startRecording(file, Number(limitSecs) > 0 ? Number(limitSecs) * 1000 : undefined) : channel.stopRecording(file);
  return done ? '+OK Success\n' : '-ERR Cannot record session!\n';
}

function setVariables(channel: Channel, rest: string): string {
  for (const pair of rest.split(';')) {
    const equals = pair.indexOf('=');
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    if (name) channel.setVariable(name, equals < 0 ? undefined : pair.slice(equals + 1));
  }
  return OK;
}

const COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['status', status],
  ['sofia', sofia],
  ['show', show],
  // It writes down less than that, always.
  ['fsctl', (_context, argument) => (argument.trim() === 'loglevel' ? '+OK log level: WARNING [4]\n' : '-USAGE: [loglevel]\n')],
  ['version', () => `FreeSWITCH Version ${VERSION} (embedded media server of the telephone identity gateway)\n`],
  ['hostname', (context) => context.bus.hostname],
  ['global_getvar', (context, name) => (name.trim() === 'hostname' ? context.bus.hostname : '')],
  ['create_uuid', () => randomUUID()],
  ['echo', (_context, argument) => argument],
  ['uuid_exists', (context, argument) => String(context.channels.has(argument.trim()))],
  ['uuid_getvar', withChannel('<uuid> <var>', (channel, name) => channel.getVariable(name.trim()) ?? '_undef_')],
  ['uuid_setvar', withChannel('<uuid> <var> [value]', (channel, rest) => {
    const [, name = '', value = ''] = /^(\S*)\s*([^]*)$/.exec(rest) ?? [];
    if (name === '') return '-USAGE: <uuid> <var> [value]\n';
    channel.setVariable(name, value);
    return OK;
  })],
  ['uuid_setvar_multi', withChannel('<uuid> <var>=<value>;<var>=<value>...', setVariables)],
  ['uuid_dump', withChannel('<uuid> [format]', (channel, format) => (format.trim() === 'json' ? JSON.stringify(channel.dump()) : `${plainHeaders(channel.dump())}\n`))],
  ['uuid_set_media_stats', withChannel('<uuid>', setMediaStats)],
  ['uuid_break', withChannel('<uuid> [all]', (channel) => {
    channel.break();
    return OK;
  })],
  ['uuid_kill', withChannel('<uuid> [cause]', (channel, cause) => {
    channel.hangup(hangupCause(cause || 'NORMAL_CLEARING'));
    return OK;
  })],
  ['uuid_bridge', bridge],
  ['uuid_transfer', withChannel('<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]', transfer)],
  ['uuid_park', withChannel('<uuid>', (channel) => {
    channel.park(false);
    return OK;
  })],
  ['uuid_answer', withChannel('<uuid>', () => OK)],
  ['uuid_broadcast', withChannel('<uuid> <path> [aleg|bleg|holdb|both]', broadcast, '-ERR invalid uuid\n')],
  ['uuid_send_dtmf', withChannel('<uuid> <dtmf_data>', sendDtmf)],
  ['uuid_recv_dtmf', withChannel('<uuid> <dtmf_data>', receiveDtmf)],
  ['uuid_flush_dtmf', withChannel('<uuid>', () => OK)],
  ['uuid_record', withChannel('<uuid> [start|stop] <path> [<limit>]', record)],
]);

/** Runs one command line. What it throws becomes its answer: clients count answers, none may be missing. */
export function runApi(context: ServerContext, line: string): string {
  const [, name = '', argument = ''] = /^\s*(\S*)\s?([^]*)$/.exec(line) ?? [];
  const command = COMMANDS.get(name);
  if (!command) return `-ERR ${name} Command not found!\n`;
  try {
    return command(context, argument);
  } catch {
    return '-ERR internal error\n';
  }
}
