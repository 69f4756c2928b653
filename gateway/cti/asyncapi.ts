/** The description of what other desktops hear (AsyncAPI 3), made from the schemas of the events themselves. */
import { z } from 'zod';
import { version } from '../version.js';
import { eventSchemas, gapSchema, heartbeatSchema, helloSchema, welcomeSchema } from './events.js';

/** AsyncAPI's own schemas are JSON Schema of draft 7. */
const jsonSchema = (schema: z.ZodType): object => {
  const { $schema: _dialect, ...made } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  return made;
};

/** Message names are also keys of a path. */
const nameOf = (type: string): string => type.replace(/\.(\w)/, (_all, letter: string) => letter.toUpperCase());

const message = (type: string, schema: z.ZodType) => ({ name: type, title: type, summary: schema.description ?? type, contentType: 'application/json', payload: jsonSchema(schema) });

const webhookHeaders = {
  type: 'object',
  required: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  properties: {
    'webhook-id': { type: 'string', description: 'The event’s id; the same at every try. Whoever has seen it before ignores it.' },
    'webhook-timestamp': { type: 'string', pattern: '^[0-9]+$', description: 'Moment of this try, in seconds since 1970. Refuse what is more than five minutes away.' },
    'webhook-signature': { type: 'string', description: 'One or more of `v1,<base64>`, separated by spaces: HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, one for each key.' },
    'webhook-key-id': { type: 'string', description: 'The names of the keys, in the order of the signatures.' },
  },
};

/** @param host host and port of the agents' listener as others reach it */
export function asyncApi(host: string, protocol: 'ws' | 'wss'): object {
  const events = Object.entries(eventSchemas).map(([type, schema]) => [nameOf(type), message(type, schema)] as const);
  const control = ([['cti.welcome', welcomeSchema], ['cti.gap', gapSchema], ['cti.heartbeat', heartbeatSchema]] as const).map(([type, schema]) => [nameOf(type), message(type, schema)] as const);
  const hello = message('cti.hello', helloSchema);
  const refs = (channel: string, names: readonly string[]) => names.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` }));
  const ofComponents = (names: readonly string[], kind = '') => Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}${kind}` }]));
  const eventNames = events.map(([name]) => name);
  const controlNames = control.map(([name]) => name);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Events of a telephone identity gateway',
      version: version(),
      description: 'What happens to calls and agents, for other desktops. No event holds an attribute, a code or a telephone number. See docs/cti.md.',
      license: { name: 'EUPL-1.2' },
    },
    defaultContentType: 'application/json',
    servers: { agents: { host, protocol, description: 'The agents’ listener.', security: [{ $ref: '#/components/securitySchemes/token' }] } },
    channels: {
      stream: {
        address: '/cti/ws',
        title: 'Events over a WebSocket',
        servers: [{ $ref: '#/servers/agents' }],
        messages: { ...ofComponents([...eventNames, ...controlNames]), ctiHello: { $ref: '#/components/messages/ctiHello' } },
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
      webhook: {
        address: null,
        title: 'Events posted to an address of yours',
        description: 'Answer 2xx. Anything else, or no answer in time, is tried again with growing waits, in the order of each call; 410 gives the event up.',
        messages: ofComponents(eventNames, 'Posted'),
        bindings: { http: { bindingVersion: '0.3.0' } },
      },
    },
    operations: {
      hello: { action: 'receive', channel: { $ref: '#/channels/stream' }, messages: refs('stream', ['ctiHello']), summary: 'The subscriber says who it is, before anything else.' },
      events: { action: 'send', channel: { $ref: '#/channels/stream' }, messages: refs('stream', [...controlNames, ...eventNames]), summary: 'The gateway tells what happens.' },
      post: { action: 'send', channel: { $ref: '#/channels/webhook' }, messages: refs('webhook', eventNames), summary: 'The gateway posts what happens.', bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } } },
    },
    components: {
      messages: {
        ...Object.fromEntries([...events, ...control]),
        ctiHello: hello,
        ...Object.fromEntries(events.map(([name, made]) => [`${name}Posted`, { ...made, headers: webhookHeaders }])),
      },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The subscriber’s token; in a browser in the first message instead.' } },
    },
  };
}
