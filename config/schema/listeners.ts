import { z } from 'zod';
import { baseUrl, fileName, host, pemFields, port, secretText, trunkAddress, withFiles } from './values.js';

const shape = (defaultPort: number) => ({
  host: host.default('127.0.0.1').describe('Address to bind. Anything but loopback needs a network that is what this listener expects.'),
  port: port.default(defaultPort).describe('TCP port; 0 takes any free one.'),
  url: baseUrl.optional().describe('Base address by which others reach this listener, when a proxy or a name stands before it; needed where we hand out addresses of it and host is 0.0.0.0 or ::.'),
});

const listener = (what: string, defaultPort: number) => z.strictObject(shape(defaultPort)).prefault({}).describe(what);

/** People come through a proxy that ends TLS; limits are kept by their own addresses. */
const listenerForPeople = (what: string, defaultPort: number) =>
  z
    .strictObject({
      ...shape(defaultPort),
      proxies: z.array(trunkAddress).max(64).default([]).describe('Addresses or CIDR ranges of the reverse proxies before this listener: their X-Forwarded-For is believed. None: nobody’s is, and all who come through a proxy share its limits.'),
    })
    .prefault({})
    .describe(what);

const tls = withFiles(
  {
    cert: secretText.optional().describe('Our certificate, with its chain, as PEM text.'),
    certFile: fileName.optional().describe('File with our certificate as PEM, relative to the configuration file.'),
    ...pemFields('Its private key'),
    clientCa: secretText.optional().describe('Certificates (PEM) of the authorities whose client certificates are believed. Given: whoever starts a session must show one; results need none, their addresses are secret and they are signed.'),
    clientCaFile: fileName.optional().describe('File with those certificates, relative to the configuration file.'),
  },
  [
    { inline: 'cert', file: 'certFile', required: true },
    { inline: 'key', file: 'keyFile', required: true },
    { inline: 'clientCa', file: 'clientCaFile' },
  ],
);

const coreListener = z
  .strictObject({ ...shape(8081), tls: tls.optional().describe('Encrypts this listener. None: plain HTTP, for a network that only the core and the plugins are on.') })
  .prefault({})
  .describe('The core and the authentication plugins: start_communication and results. Internal network.');

export const listeners = z
  .strictObject({
    public: listenerForPeople('Citizens’ pages; the only listener meant for the internet.', 8080),
    core: coreListener,
    agents: listenerForPeople('Agents’ screens.', 8082),
    ops: listener('Health and metrics.', 9090),
  })
  .prefault({})
  .describe('HTTP listeners.');
