import { z } from 'zod';
import { baseUrl, fileName, host, pemFields, port, secretText, trunkAddress, webOrigin, withFiles } from './values.js';

const shape = (defaultPort: number) => ({
  host: host.default('127.0.0.1').describe('Address to bind. Anything but loopback needs a network that is what this listener expects.'),
  port: port.default(defaultPort).describe('TCP port; 0 takes any free one.'),
  url: baseUrl.optional().describe('Base address by which others reach this listener, when a proxy or a name stands before it; needed where we hand out addresses of it and host is 0.0.0.0 or ::.'),
});

const listener = (what: string, defaultPort: number) => z.strictObject(shape(defaultPort)).prefault({}).describe(what);

/** People come through a proxy that ends TLS; limits are kept by their own addresses. */
const shapeForPeople = (defaultPort: number) => ({
  ...shape(defaultPort),
  proxies: z.array(trunkAddress).max(64).default([]).describe('Addresses or CIDR ranges of the reverse proxies before this listener: their X-Forwarded-For is believed. None: nobody’s is, and all who come through a proxy share its limits.'),
});

const listenerForPeople = (what: string, defaultPort: number) => z.strictObject(shapeForPeople(defaultPort)).prefault({}).describe(what);

const agentsListener = z
  .strictObject({
    ...shapeForPeople(8082),
    embedIn: z.array(webOrigin).max(32).default([]).describe('Origins (https://crm.example.org) of other desktops that may show the agents’ pages in a frame. None: nobody may.'),
  })
  .prefault({})
  .describe('Agents’ screens, and the pages of supervisors and auditors.');

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
    agents: agentsListener,
    ops: listener('Health and metrics.', 9090),
  })
  .prefault({})
  .describe('HTTP listeners.');
