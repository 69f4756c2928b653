import { z } from 'zod';
import { outbound } from './passing-on.js';
import { faulty, fileName, host, ipAddress, mediaSource, ms, oneOf, port, secretText, servicePort, trunkAddress, word } from './values.js';

export const sip = z
  .strictObject({
    listen: z
      .strictObject({
        host: ipAddress.default('127.0.0.1').describe('Address the embedded SIP server binds, UDP and TCP.'),
        port: port.default(5060).describe('Its port; 0 takes any free one.'),
      })
      .prefault({})
      .describe('Where the embedded SIP server listens. Not used when `servers` names real ones, which have a configuration of their own.'),
    servers: z
      .array(
        oneOf(
          {
            host: host.describe('Host of the drachtio-server.'),
            port: servicePort.default(9022).describe('Its application port.'),
            secret: secretText.optional().describe('The secret it asks of applications.'),
            secretFile: fileName.optional().describe('File with that secret, relative to the configuration file.'),
          },
          'secret',
          'secretFile',
        ),
      )
      .max(64)
      .default([])
      .describe('SIP servers (drachtio). None: the embedded one is started.'),
    strangers: z.enum(['silent', 'refused']).default('silent').describe('What addresses get that no trunk lists. silent: nothing at all. refused: 403, once. With `servers` the host’s firewall has to keep them out as well: docs/docker.md.'),
  })
  .prefault({})
  .describe('Signalling.');

export const media = z
  .strictObject({
    host: ipAddress.default('127.0.0.1').describe('Address of the embedded media server for SIP and RTP: what phones and trunks must reach.'),
    rtpPorts: z
      .strictObject({
        min: z.int().min(1024).max(65_534).default(20_000).describe('First UDP port.'),
        max: z.int().min(1025).max(65_535).default(29_999).describe('Last UDP port.'),
      })
      .superRefine((range, context) => {
        if (range.max < range.min) context.addIssue({ code: 'custom', path: ['max'], ...faulty(`is ${range.max}, which is below min, ${range.min}`, 'Let max be the larger one') });
        else if (range.max - range.min + 1 < 20) {
          const room = range.max - range.min + 1;
          context.addIssue({ code: 'custom', path: ['max'], ...faulty(`leaves ${room} ports, too few for calls`, 'A leg takes two ports, an anchored call has two legs: give at least 20, better 4 for each call at once') });
        }
      })
      .prefault({})
      .describe('UDP ports of the embedded media server, both ends included.'),
    servers: z
      .array(
        oneOf(
          {
            host: host.describe('Host of the FreeSWITCH.'),
            port: servicePort.default(8021).describe('Its event socket port.'),
            secret: secretText.optional().describe('The event socket password.'),
            secretFile: fileName.optional().describe('File with that password, relative to the configuration file.'),
            profile: word.default('drachtio_mrf').describe('Its SIP profile for this gateway.'),
            listenAddress: ipAddress.optional().describe('Address on which the gateway awaits this server’s outbound socket.'),
            advertisedAddress: host.optional().describe('The gateway’s address as this server reaches it, when it is not listenAddress.'),
          },
          'secret',
          'secretFile',
        ),
      )
      .max(64)
      .default([])
      .describe('Media servers (FreeSWITCH). None: the embedded one is started.'),
    promptsPath: z.string().startsWith('/').max(1_024).optional().describe('Folder of the prompts (ivr/prompts) as the media servers see it, when they run elsewhere.'),
    maxPendingEndpoints: z.int().min(1).max(500).default(50).describe('Endpoints being created at one time; FreeSWITCH stalls with many more.'),
    commandTimeoutMs: ms(100, 60_000).default(3_000).describe('How long a media server may take to answer a command.'),
  })
  .prefault({})
  .describe('Media.');

export const trunks = z
  .array(
    z.strictObject({
      name: word.describe('Name for logs and metrics.'),
      addresses: z.array(trunkAddress).min(1).max(256).describe('Addresses or CIDR ranges its calls come from.'),
      outbound,
      mediaSource: mediaSource.default('described').describe('Whose media is taken for the caller’s, or the phone’s. described: only what comes from the address in the session description. learn: for peers behind NAT, also what comes steadily from where their signalling comes from. Keys and voices from anywhere else are never taken.'),
      mediaAddresses: z.array(trunkAddress).max(256).default([]).describe('Addresses or CIDR ranges of its media. None: those that its session descriptions name. Given: a description that names another one is refused, and media from elsewhere is not taken.'),
      maxCalls: z.int().min(1).max(100_000).optional().describe('Calls of this trunk at one time. Left out: as many as `calls.maxCalls` allows, less what is kept for the other trunks.'),
      maxCallsPerSecond: z.number().min(0.1).max(10_000).optional().describe('New calls of this trunk a second, on average; twice as many may come at once. Left out: a fair share of what this node can take up.'),
      bridge: z.enum(['anchored', 'released']).default('anchored').describe('anchored: the media server stays between the two legs. released: after the connection the legs exchange media directly.'),
      holdMusic: z.enum(['ours', 'theirs']).default('ours').describe('What a caller hears while a phone on this trunk holds. ours: music of the gateway, and now and then that they are on hold. theirs: what the PBX or the phone sends; nothing, if it sends nothing. Where media is released it is always theirs.'),
    }),
  )
  .min(1)
  .max(256)
  .describe('PBXs and carriers whose calls are taken; everyone else is refused.');
