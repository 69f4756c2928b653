import { z } from 'zod';
import { fileName, host, oneOf, pemFields, secretText, servicePort, withFiles, word } from './values.js';

const address = (what: string) =>
  z.strictObject({
    host: host.describe(`Host of ${what}.`),
    port: servicePort.default(6379).describe('Its port.'),
  });

const passwordFields = (what: string) => ({
  password: secretText.optional().describe(what),
  passwordFile: fileName.optional().describe('File with that password, relative to the configuration file.'),
});
const passwordPair = { inline: 'password', file: 'passwordFile' };

const tls = withFiles(
  {
    ca: secretText.optional().describe('Certificates (PEM) of the authorities that are trusted in place of the system’s.'),
    caFile: fileName.optional().describe('File with those certificates, relative to the configuration file.'),
    cert: secretText.optional().describe('Our client certificate, as PEM text, when Redis asks for one.'),
    certFile: fileName.optional().describe('File with that certificate, relative to the configuration file.'),
    ...pemFields('Its private key'),
    serverName: host.optional().describe('Name that the servers’ certificates must carry; the host that is connected to if left out.'),
  },
  [
    { inline: 'ca', file: 'caFile' },
    { inline: 'cert', file: 'certFile' },
    { inline: 'key', file: 'keyFile' },
  ],
);

/** Which keys go together is looked at in cross-checks.ts, so that a wrong mixture is told beside all other mistakes. */
export const store = withFiles(
  {
    kind: z.enum(['memory', 'redis']).default('memory').describe('memory: in this process, gone with it. redis: shared by several processes, and kept when one restarts.'),
    server: address('the Redis server').optional().describe('One Redis server. redis needs exactly one of server, sentinel and cluster.'),
    sentinel: withFiles(
      {
        name: word.describe('Name under which the Sentinels watch the servers.'),
        nodes: z.array(address('a Sentinel').extend({ port: servicePort.default(26_379).describe('Its port.') })).min(1).max(64).describe('The Sentinels.'),
        ...passwordFields('Password of the Sentinels themselves.'),
      },
      [passwordPair],
    )
      .optional()
      .describe('Redis servers watched by Sentinels.'),
    cluster: z
      .strictObject({ nodes: z.array(address('a node')).min(1).max(1_000).describe('Some of its nodes; the others are found through them.') })
      .optional()
      .describe('A Redis Cluster.'),
    username: z.string().min(1).max(255).optional().describe('User name (ACL) at the Redis servers.'),
    ...passwordFields('Password at the Redis servers.'),
    tls: tls.optional().describe('Encrypts the connections to the Redis servers and the Sentinels; may be an empty group ({}).'),
    prefix: word.default('tig').describe('Begins every key in Redis.'),
    sealKeys: z
      .array(
        oneOf(
          {
            id: word.describe('Name of the key; stored beside what it sealed.'),
            key: secretText.optional().describe('32 random bytes as 64 hexadecimal digits (`openssl rand -hex 32`) or as base64.'),
            keyFile: fileName.optional().describe('File with that key, relative to the configuration file.'),
          },
          'key',
          'keyFile',
        ),
      )
      .max(16)
      .default([])
      .describe('Keys under which the sessions’ own keys are sealed in Redis: the first one seals, all of them open. To change it, put the new one first, and remove the old one a day later.'),
  },
  [passwordPair],
)
  .prefault({})
  .describe('Where sessions, limits and progress are kept.');
