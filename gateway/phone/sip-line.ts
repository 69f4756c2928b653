/** The telephone's SIP: drachtio-srf on an embedded SIP server of its own, in this process. */
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import Srf from 'drachtio-srf';
import { startSipServer, type SipServer } from '../engines/sip-server/index.js';
import type { EngineLog } from '../engines/log.js';

/** The part of drachtio-srf's messages the phone reads. (Its own type declarations do not match its behaviour everywhere.) */
export interface SipMessage {
  readonly body?: string;
  readonly source_address?: string;
  get(name: string): string | undefined;
  has(name: string): boolean;
}
export interface SipRequest extends SipMessage {
  readonly method: string;
  readonly uri: string;
  cancel(callback: (error: unknown) => void): void;
  once(event: 'cancel', listener: () => void): void;
}
export interface SipResponse extends SipMessage {
  readonly status: number;
  readonly reason: string;
  send(status: number, options?: { headers?: Record<string, string>; body?: string }): void;
}
export interface SipDialog extends EventEmitter {
  readonly connected: boolean;
  readonly sip: { readonly callId: string };
  readonly remote: { readonly sdp: string | undefined };
  local: { sdp: string };
  destroy(options?: { headers?: Record<string, string> }): Promise<unknown>;
  request(options: { method: string; headers?: Record<string, string>; body?: string }): Promise<SipResponse>;
}
export interface SipAgent {
  createUAC(
    uri: string,
    options: { localSdp: string; headers: Record<string, string>; auth?: { username: string; password: string } },
    progress: { cbRequest(error: unknown, request?: SipRequest): void; cbProvisional(response: SipResponse): void },
  ): Promise<SipDialog>;
  createUAS(request: SipRequest, response: SipResponse, options: { localSdp: string; headers: Record<string, string> }): Promise<SipDialog>;
  invite(handler: (request: SipRequest, response: SipResponse) => void): void;
  options(handler: (request: SipRequest, response: SipResponse) => void): void;
}

export interface SipLine {
  readonly srf: SipAgent;
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

/**
 * Opens a line on `host`. Port 0: any free one.
 * @throws Error when the port is taken
 */
export async function openSipLine(options: { host: string; port: number; log?: EngineLog }): Promise<SipLine> {
  const secret = randomBytes(16).toString('hex');
  const server: SipServer = await startSipServer({
    listen: { host: options.host, port: options.port },
    admin: { host: '127.0.0.1', port: 0 },
    secret,
    ...(options.log ? { log: options.log } : {}),
  });
  const srf = new Srf();
  try {
    await new Promise<void>((resolve, reject) => {
      srf.on('connect', (error: unknown) => { if (error) reject(error instanceof Error ? error : new Error('the SIP server refused its own phone')); else resolve(); });
      srf.on('error', (error: unknown) => { options.log?.warn({ err: error }, 'connection to the SIP server of the phone'); });
      void srf.connect({ host: server.admin.host, port: server.admin.port, secret });
    });
  } catch (error) {
    srf.disconnect();
    await server.close();
    throw error;
  }
  return {
    srf: srf as unknown as SipAgent,
    address: server.sip,
    close: async () => {
      srf.disconnect();
      await server.close();
    },
  };
}

/** The local address from which packets to `host` leave (no packet is sent for it). */
export function localAddressTowards(host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    // Called with the error, too, when the name is unknown or nothing leads there: then dialling tells what is wrong.
    socket.connect(5060, host, (error?: unknown) => {
      const address = error ? '127.0.0.1' : socket.address().address;
      socket.close();
      resolve(address);
    });
  });
}
