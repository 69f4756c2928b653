/** One event socket connection, either way round: commands in, replies and events out, in order. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { EngineLog } from '../../log.js';
import type { Channel } from '../channel/channel.js';
import { hangupCause } from '../channel/causes.js';
import type { EngineEvent, EventSink } from '../events.js';
import { EngineEvent as Event } from '../events.js';
import { runApi } from './api.js';
import type { ServerContext } from './context.js';
import { CommandParser, apiResponse, commandReply, disconnectNotice, type Command } from './framing.js';
import { Subscription } from './subscription.js';

/** A client that does not read what it asked for is cut off here. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

export interface ConnectionHooks {
  /** Handles a command before the common ones; true: done. */
  before(connection: EslConnection, command: Command): boolean;
  /** The connection is gone, whoever ended it. */
  closed(connection: EslConnection): void;
}

export class EslConnection implements EventSink {
  readonly subscription = new Subscription();
  private readonly parser = new CommandParser();
  private closing = false;

  /**
   * @param channel the channel a connection belongs to, if to one
   */
  constructor(private readonly socket: Socket, private readonly context: ServerContext, private readonly hooks: ConnectionHooks, private readonly log: EngineLog, readonly channel?: Channel) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on('data', this.onData);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.finish());
    socket.once('close', () => {
      this.closing = true;
      context.bus.remove(this);
      hooks.closed(this);
    });
  }

  send(frame: string): void {
    if (this.closing || this.socket.destroyed) return;
    this.socket.write(frame);
    if (this.socket.writableLength > MAX_UNSENT_BYTES) {
      this.log.warn({ unsentBytes: this.socket.writableLength }, 'event socket client does not read: closing');
      this.socket.destroy();
    }
  }

  offer(event: EngineEvent): void {
    if (this.subscription.wants(event)) this.send(event.frame(this.subscription.format));
  }

  /** Says goodbye and closes. */
  finish(notice?: string): void {
    if (this.closing) return;
    if (notice !== undefined) this.send(notice);
    this.closing = true;
    this.context.bus.remove(this);
    this.socket.end();
    // a peer that never closes its side must not keep ours
    const timer = setTimeout(() => this.socket.destroy(), 2000);
    this.socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.socket.destroy();
  }

  private readonly onData = (chunk: Buffer): void => {
    let commands: Command[];
    try {
      commands = this.parser.push(chunk);
    } catch {
      this.log.warn({}, 'event socket command too long: closing');
      this.socket.destroy();
      return;
    }
    // the replies to one segment leave in one segment
    this.socket.cork();
    for (const command of commands) {
      if (this.closing) break;
      if (!this.hooks.before(this, command)) this.handle(command);
    }
    this.socket.uncork();
  };

  private handle(command: Command): void {
    const [, verb = '', rest = ''] = /^(\S*)\s*([^]*)$/.exec(command.line) ?? [];
    switch (verb.toLowerCase()) {
      case 'api': {
        if (rest.trim() === '') return this.reply('-ERR command not found');
        this.send(apiResponse(runApi(this.context, rest)));
        return;
      }
      case 'bgapi': {
        this.backgroundApi(rest, command.headers.get('job-uuid') ?? randomUUID());
        return;
      }
      case 'event': {
        const words = rest.split(/\s+/).filter(Boolean);
        const format = words[0]?.toLowerCase();
        if (format === 'json' || format === 'plain') {
          words.shift();
          this.subscription.format = format;
        }
        if (!this.subscription.add(words)) {
          this.reply('-ERR no keywords supplied');
          return;
        }
        this.context.bus.add(this);
        this.reply(`+OK event listener enabled ${this.subscription.format}`);
        if (words.some((word) => word.toUpperCase() === 'HEARTBEAT' || word.toUpperCase() === 'ALL')) this.context.heartbeatSoon(this);
        return;
      }
      case 'nixevent': {
        this.subscription.remove(rest.split(/\s+/));
        this.reply('+OK events nixed');
        return;
      }
      case 'noevents': {
        this.subscription.clear();
        this.reply('+OK no longer listening for events');
        return;
      }
      case 'myevents': {
        this.subscription.format = /\bjson\b/.test(rest) ? 'json' : this.subscription.format;
        const uuid = this.channel?.uuid ?? rest.split(/\s+/)[0] ?? '';
        this.subscription.add(['ALL']);
        this.subscription.addFilter('Unique-ID', uuid);
        this.context.bus.add(this);
        this.reply('+OK Events Enabled');
        return;
      }
      case 'filter': {
        this.filter(rest);
        return;
      }
      case 'sendmsg': {
        this.sendmsg(rest.trim(), command);
        return;
      }
      case 'exit': {
        this.reply('+OK bye');
        this.finish(disconnectNotice());
        return;
      }
      case 'getvar': return this.reply(this.channel?.getVariable(rest.trim()) ?? '');
      case 'linger': return this.reply('+OK will linger');
      case 'nolinger': return this.reply('+OK will not linger');
      case 'divert_events': return this.reply('+OK events diverted');
      case 'resume': return this.reply('+OK');
      case 'log': return this.reply(`+OK log level ${rest || '7'} [${rest || '7'}]`);
      case 'nolog': return this.reply('+OK no longer logging');
      default: return this.reply('-ERR command not found');
    }
  }

  reply(text: string): void {
    this.send(commandReply(text));
  }

  private filter(rest: string): void {
    const words = rest.trim().split(/\s+/);
    if (words[0]?.toLowerCase() === 'delete') {
      const [, name = '', ...value] = words;
      this.subscription.removeFilter(name, value.join(' '));
      this.reply(`+OK filter deleted. [${name}][${value.join(' ')}]`);
      return;
    }
    const [name = '', ...value] = words;
    if (name === '' || value.length === 0 || !this.subscription.addFilter(name, value.join(' '))) {
      this.reply('-ERR invalid syntax');
      return;
    }
    this.reply(`+OK filter added. [${name}]=[${value.join(' ')}]`);
  }

  private backgroundApi(text: string, jobUuid: string): void {
    this.send(`Content-Type: command/reply\nReply-Text: +OK Job-UUID: ${jobUuid.replace(/[%\r\n]/g, '')}\nJob-UUID: ${jobUuid.replace(/[%\r\n]/g, '')}\n\n`);
    const result = runApi(this.context, text);
    const [command = '', ...argument] = text.split(' ');
    this.context.bus.publish(new Event({ ...this.context.bus.commonHeaders('BACKGROUND_JOB'), 'Job-UUID': jobUuid, 'Job-Command': command, 'Job-Command-Arg': argument.join(' ') }, result));
  }

  private sendmsg(uuid: string, command: Command): void {
    const channel = uuid === '' ? this.channel : this.context.channels.get(uuid);
    if (!channel || channel.isEnding) {
      this.reply(`-ERR invalid session id [${uuid}]`);
      return;
    }
    const kind = command.headers.get('call-command')?.toLowerCase();
    if (kind === 'hangup') {
      this.reply('+OK');
      channel.hangup(hangupCause(command.headers.get('hangup-cause') ?? 'NORMAL_CLEARING'));
      return;
    }
    const application = command.headers.get('execute-app-name');
    if (kind !== 'execute' || application === undefined) {
      this.reply('-ERR invalid command');
      return;
    }
    this.reply('+OK');
    const loops = Math.min(100, Math.max(1, Number(command.headers.get('loops')) || 1));
    const argument = command.headers.get('execute-app-arg') ?? command.body;
    for (let i = 0; i < loops; i++) channel.execute({ application, argument, applicationUuid: command.headers.get('event-uuid') ?? randomUUID() });
  }
}
