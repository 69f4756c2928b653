import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { isPasswordHash } from './password.js';

/** Adds a fix to a fault found by a check of ours; `problems.ts` prints both. */
const faulty = (fault: string, fix: string): { message: string; params: { fix: string } } => ({ message: fault, params: { fix } });

const port = z.int().min(0).max(65_535);
const servicePort = z.int().min(1).max(65_535);
const host = z
  .string()
  .refine((text) => isIP(text) !== 0 || /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text), {
    ...faulty('is not an IP address or host name', 'Write an address such as 127.0.0.1 or a name such as media.example.org'),
  });
const ipAddress = z.string().refine((text) => isIP(text) !== 0, faulty('is not an IP address', 'Write an address such as 192.0.2.10'));
const word = z
  .string()
  .refine((text) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text), faulty('is not a plain name', 'Use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit'));
const label = z.string().trim().min(1).max(100);
const ms = (min: number, max: number): z.ZodInt => z.int().min(min).max(max);

const baseUrl = z
  .string()
  .refine(isBaseUrl, faulty('is not a usable base address', 'Write http:// or https://, a host, and perhaps a port and a path, without user name, query or fragment'))
  .transform((text) => text.replace(/\/+$/, ''));

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '' && !/[?#]/.test(text);
}

/** An inline secret or the name of a file that holds it: one of the two, and which one is the site's choice. */
function oneOf<Shape extends z.ZodRawShape>(shape: Shape, inline: string, file: string): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape).superRefine((value, context) => {
    const given = value as Record<string, unknown>;
    const both = given[inline] !== undefined && given[file] !== undefined;
    const neither = given[inline] === undefined && given[file] === undefined;
    if (both) context.addIssue({ code: 'custom', path: [file], ...faulty(`is given beside ${inline}`, `Keep one of ${inline} and ${file}`) });
    if (neither) context.addIssue({ code: 'custom', path: [inline], ...faulty('is missing', `Give ${inline}, or ${file} with the name of a file that holds it`) });
  });
}

const secretText = z.string().min(1).max(16_384);
const fileName = z.string().min(1).max(4_096);
const pemFields = (whose: string): { key: z.ZodOptional<z.ZodString>; keyFile: z.ZodOptional<z.ZodString> } => ({
  key: secretText.optional().describe(`${whose}, as PEM text.`),
  keyFile: fileName.optional().describe(`File with ${whose.charAt(0).toLowerCase()}${whose.slice(1)} as PEM, relative to the configuration file.`),
});
const keyType = z.enum(['RSA', 'EC']).describe('RSA (2048 bits or more) or EC (P-256).');

function listener(what: string, defaultPort: number) {
  return z
    .strictObject({
      host: host.default('127.0.0.1').describe('Address to bind. Anything but loopback needs a network that is what this listener expects.'),
      port: port.default(defaultPort).describe('TCP port; 0 takes any free one.'),
      url: baseUrl.optional().describe('Base address by which others reach this listener, when a proxy or a name stands before it; the core listener needs it when host is 0.0.0.0 or ::.'),
    })
    .prefault({})
    .describe(what);
}

const trunkAddress = z
  .string()
  .refine((text) => isIP(text) !== 0 || (isIP(text.replace(/\/\d{1,3}$/, '')) !== 0 && ipaddr.isValidCIDR(text)), faulty('is not an IP address or CIDR range', 'Write an address such as 192.0.2.10 or a range such as 192.0.2.0/24'));

/** An E.164 number without the spaces and signs that people write in it. */
export const bareNumber = (text: string): string => text.replace(/[\s().-]/g, '');

const dialledNumber = z
  .string()
  .transform((text) => (text === '*' ? text : bareNumber(text)))
  .refine((text) => text === '*' || /^\+[1-9][0-9]{5,14}$/.test(text) || /^[0-9*#]{1,20}$/.test(text), {
    ...faulty('is not a number', "Write it in E.164 (+31201234567), as the trunk dials it (digits), or '*' for any number; in quotes"),
  });

const e164 = z
  .string()
  .trim()
  .max(40)
  .refine((text) => /^\+[1-9][0-9]{5,14}$/.test(bareNumber(text)), faulty('is not an E.164 number', 'Write a plus, the country code and the number, such as "+31 20 123 4567"'));

const SIP_URI =
  /^sips?:([A-Za-z0-9_.!~*'()&=+$,;?/%-]+@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?(;[A-Za-z0-9_.!~*'()[\]/:&+$%=-]+)*$/;
const sipUri = z
  .string()
  .max(255)
  .refine((text) => SIP_URI.test(text) && Number(/:(\d+)(;|$)/.exec(text)?.[1] ?? 1) <= 65_535, faulty('is not a SIP address', 'Write it like sip:anna@192.0.2.20:5060'));

const passwordHash = z.string().refine(isPasswordHash, faulty('is not a password hash', 'Make one with `node dist/config/password-cli.js` and paste the line it prints'));

/** The configuration file. Every key is documented here and nowhere else: docs/configuration.md is made from it. */
export const configSchema = z.strictObject({
  demo: z.boolean().default(false).describe('Runs the demo core: a test page that hands out identities to anyone. Refused when NODE_ENV is production.'),
  log: z
    .strictObject({ level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info').describe('Least serious level that is logged.') })
    .prefault({})
    .describe('Logging, as JSON lines on standard output.'),
  listeners: z
    .strictObject({
      public: listener('Citizens’ pages; the only listener meant for the internet.', 8080),
      core: listener('The core and the authentication plugins: start_communication and results. Internal network.', 8081),
      agents: listener('Agents’ screens.', 8082),
      ops: listener('Health and metrics.', 9090),
    })
    .prefault({})
    .describe('HTTP listeners.'),
  sip: z
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
    })
    .prefault({})
    .describe('Signalling.'),
  media: z
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
    .describe('Media.'),
  trunks: z
    .array(
      z.strictObject({
        name: word.describe('Name for logs and metrics.'),
        addresses: z.array(trunkAddress).min(1).max(256).describe('Addresses or CIDR ranges its calls come from.'),
        bridge: z.enum(['anchored', 'released']).default('anchored').describe('anchored: the media server stays between the two legs. released: after the connection the legs exchange media directly.'),
      }),
    )
    .min(1)
    .max(256)
    .describe('PBXs and carriers whose calls are taken; everyone else is refused.'),
  services: z
    .array(
      z.strictObject({
        name: label.describe('Name that agents see.'),
        numbers: z.array(dialledNumber).min(1).max(1_000).describe("Numbers that lead here, in E.164 or as the trunk dials them; '*' is any other number."),
        purposes: z.array(z.string().min(1).max(255)).min(1).max(100).describe('Purposes of the core that belong to this service.'),
        language: z.enum(['nl', 'en']).default('nl').describe('Language that is spoken.'),
      }),
    )
    .min(1)
    .max(1_000)
    .describe('What a dialled number leads to.'),
  agents: z
    .array(
      oneOf(
        {
          name: word.describe('Login name.'),
          displayName: label.optional().describe('Name on the screen; the login name if left out.'),
          password: passwordHash.optional().describe('scrypt hash of the password, as `node dist/config/password-cli.js` prints it; never the password.'),
          passwordFile: fileName.optional().describe('File with that hash, relative to the configuration file.'),
          phone: sipUri.describe('SIP address of the phone that rings for this agent.'),
        },
        'password',
        'passwordFile',
      ),
    )
    .max(10_000)
    .default([])
    .describe('Agents who may log in.'),
  idContact: z
    .strictObject({
      dialect: z.enum(['id-contact', 'verder-helpen']).default('id-contact').describe('Words spoken to the core; results in either dialect are understood.'),
      phoneNumber: e164.describe('Number that citizens dial, given to them with the code.'),
      name: word.default('telephone').describe('Our name as the core knows it.'),
      decryptionKey: oneOf({ type: keyType, ...pemFields('Our private key') }, 'key', 'keyFile').optional().describe('Our private key, with which results are decrypted. The demo makes its own.'),
      verificationKeys: z
        .array(oneOf({ name: word.describe('Name of the authentication plugin, for the log.'), type: keyType, ...pemFields('Its public key') }, 'key', 'keyFile'))
        .max(64)
        .default([])
        .describe('Public keys of the authentication plugins, with which results are verified. The demo adds its own.'),
    })
    .describe('The ID Contact protocol.'),
  codes: z
    .strictObject({
      digits: z.int().min(8).max(16).default(10).describe('Length of a code.'),
      lifetimeSeconds: z.int().min(30).max(3_600).default(900).describe('How long a code can be used after it was made.'),
      attemptsPerCall: z.int().min(1).max(10).default(3).describe('Wrong codes in one call before the caller goes on unidentified.'),
      hashKey: z.string().min(32).max(1_024).optional().describe('Key under which codes are hashed: at least 32 characters, random (`openssl rand -hex 32`). The demo makes its own.'),
      hashKeyFile: fileName.optional().describe('File with that key, relative to the configuration file.'),
    })
    .prefault({})
    .describe('The codes that citizens type.'),
  sessions: z
    .strictObject({
      reclaimGraceSeconds: z.int().min(0).max(600).default(60).describe('After a call dropped before it was connected: how long the same code works again.'),
      resultWaitMs: ms(0, 120_000).default(15_000).describe('How long a caller who typed the code waits for a result that is still under way.'),
      maxLive: z.int().min(1).max(10_000_000).default(100_000).describe('Sessions alive at one time; the core is told 503 beyond that.'),
    })
    .prefault({})
    .describe('Sessions.'),
  calls: z
    .strictObject({
      firstDigitMs: ms(1_000, 120_000).default(20_000).describe('Wait for the first key of a code.'),
      interDigitMs: ms(500, 60_000).default(10_000).describe('Wait for each further key.'),
      ringTimeoutMs: ms(1_000, 120_000).default(20_000).describe('How long an agent’s phone rings.'),
      ackTimeoutMs: ms(100, 30_000).default(2_000).describe('How long the agent’s screen may take to acknowledge that it shows the attributes.'),
      onMissingAck: z.enum(['requeue', 'unidentified']).default('requeue').describe('Without that acknowledgement: back to the waiting room, or connected as unidentified.'),
      maxCalls: z.int().min(1).max(100_000).default(500).describe('Calls at one time on this node; more are refused.'),
      maxWaitMs: ms(10_000, 14_400_000).default(1_800_000).describe('Longest stay in the waiting room.'),
    })
    .prefault({})
    .describe('Calls.'),
});

/** The configuration file's content after defaults, before files are read and keys are parsed. */
export type RawConfig = z.infer<typeof configSchema>;
