/** drachtio-fsmrf ships no types; these are the parts this project uses, as read from version 4.1.2. */
declare module 'drachtio-fsmrf' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';
  import type Srf from 'drachtio-srf';

  namespace Mrf {
    interface EslConnection extends EventEmitter {
      socket: Socket;
      disconnect(): void;
    }
    interface EslEvent { getHeader(name: string): string | null }
    interface EndpointOptions {
      remoteSdp?: string;
      headers?: Record<string, string>;
      codecs?: string | string[];
    }
    interface DtmfEvent { dtmf: string; duration: string; source?: string; ssrc?: string; timestamp?: string }
    interface Endpoint extends EventEmitter {
      readonly uuid: string;
      readonly connected: boolean;
      readonly conn: EslConnection | null;
      readonly dialog: Srf.Dialog | null;
      local: { sdp: string; mediaIp?: string; mediaPort?: string };
      remote: { sdp: string; mediaIp?: string; mediaPort?: string };
      play(file: string | string[]): Promise<{ playbackSeconds?: string; playbackMilliseconds?: string }>;
      api(command: string, args?: string | string[]): Promise<{ body: string }>;
      execute(app: string, arg?: string): Promise<unknown>;
      bridge(other: Endpoint | string): Promise<void>;
      modify(sdp: string): Promise<string>;
      mute(): Promise<unknown>;
      unmute(): Promise<unknown>;
      destroy(): Promise<void>;
    }
    interface MediaServer extends EventEmitter {
      readonly address: string;
      readonly conn: EslConnection;
      readonly maxSessions: number;
      readonly currentSessions: number;
      readonly sip: { ipv4: { udp: { address?: string } } };
      createEndpoint(options: EndpointOptions): Promise<Endpoint>;
      connected(): boolean;
      disconnect(): void;
      api(command: string): Promise<string>;
    }
    interface ConnectOptions {
      address: string;
      port: number;
      secret: string;
      listenAddress?: string;
      listenPort?: number;
      advertisedAddress?: string;
      profile?: string;
    }
  }
  class Mrf {
    constructor(srf: Srf, options?: object);
    connect(options: Mrf.ConnectOptions): Promise<Mrf.MediaServer>;
  }
  export = Mrf;
}

/** Reason phrases by status code. */
declare module 'sip-status' {
  const phrases: Record<number, string>;
  export default phrases;
}
