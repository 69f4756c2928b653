import type { Shared } from '../forms.js';
import { Secret } from '../secret.js';
import type { MediaServerAddress, SipServerAddress } from '../types.js';
import type { SecretReader } from './reader.js';

export function sipServers(config: Shared, reader: SecretReader): SipServerAddress[] {
  return (config.sip?.servers ?? []).flatMap((server, index): SipServerAddress[] => {
    const secret = reader.text(server?.secret, server?.secretFile, `sip.servers[${index}].secretFile`);
    if (secret === undefined || server?.host === undefined || server.port === undefined) return [];
    return [{ host: server.host, port: server.port, secret: new Secret(secret) }];
  });
}

export function mediaServers(config: Shared, reader: SecretReader): MediaServerAddress[] {
  return (config.media?.servers ?? []).flatMap((server, index): MediaServerAddress[] => {
    const secret = reader.text(server?.secret, server?.secretFile, `media.servers[${index}].secretFile`);
    if (secret === undefined || server?.host === undefined || server.port === undefined || server.profile === undefined) return [];
    const { host, port, profile, listenAddress, advertisedAddress } = server;
    return [{ host, port, profile, secret: new Secret(secret), ...(listenAddress && { listenAddress }), ...(advertisedAddress && { advertisedAddress }) }];
  });
}
