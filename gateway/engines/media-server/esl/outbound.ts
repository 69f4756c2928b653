/** The connection a channel makes to its application, as long as the call lives. */
import { connect } from 'node:net';
import type { EngineLog } from '../../log.js';
import type { Channel } from '../channel/channel.js';
import { plainHeaders } from '../events.js';
import { EslConnection } from './connection.js';
import type { ServerContext } from './context.js';
import { disconnectNotice } from './framing.js';

const CONNECT_TIMEOUT_MS = 4000;
/** The application must say `connect` this soon. */
const GREETING_TIMEOUT_MS = 10_000;

export interface OutboundTarget {
  host: string;
  port: number;
}

/** `host:port` of an X-esl-outbound header; undefined when it is none. */
export function parseTarget(text: string | undefined): OutboundTarget | undefined {
  const match = /^\[?([A-Za-z0-9.:-]{1,253}?)\]?:(\d{1,5})$/.exec(text?.trim() ?? '');
  const port = Number(match?.[2]);
  return match && port > 0 && port <= 65535 ? { host: match[1]!, port } : undefined;
}

/**
 * Connects a channel to its application. The call ends when the application cannot be reached or goes away; the connection
 * ends, told so, when the call does.
 */
export function connectApplication(channel: Channel, target: OutboundTarget, context: ServerContext, log: EngineLog): void {
  const socket = connect({ host: target.host, port: target.port });
  const connecting = setTimeout(() => socket.destroy(), CONNECT_TIMEOUT_MS);
  let greeting: NodeJS.Timeout | undefined;
  const connection = new EslConnection(
    socket,
    context,
    {
      before: (self, command) => {
        if (command.line.toLowerCase() !== 'connect') return false;
        clearTimeout(greeting);
        self.send(`${plainHeaders({ ...channel.dump(), 'Content-Type': 'command/reply', 'Reply-Text': '+OK\n', 'Socket-Mode': 'async', Control: 'full' })}\n`);
        return true;
      },
      closed: () => {
        clearTimeout(connecting);
        clearTimeout(greeting);
        if (!channel.isEnding) log.info({ uuid: channel.uuid }, 'the application left: hanging up');
        channel.hangup('NORMAL_CLEARING');
      },
    },
    log,
    channel,
  );
  socket.once('connect', () => {
    clearTimeout(connecting);
    greeting = setTimeout(() => {
      log.warn({ uuid: channel.uuid }, 'the application says nothing: hanging up');
      socket.destroy();
    }, GREETING_TIMEOUT_MS);
  });
  channel.once('destroyed', () => connection.finish(disconnectNotice(channel.uuid)));
}
