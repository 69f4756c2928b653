import { z } from 'zod';
import { resultClaims } from '../results/claims.js';
import { REFUSALS, type Endpoint } from './refusals.js';
import { answersOf, resultRequest, startRequest } from './schemas.js';

export interface OpenApiOptions {
  /** Base address of the core listener. */
  readonly coreUrl: string;
  /** Whether tenants have paths of their own. */
  readonly tenants: boolean;
}

const TOKEN_PARAMETER = { name: 'token', in: 'path', required: true, description: 'Stands in the attr_url that was answered. Secret, and good for one result.', schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{43}$' } };
const TENANT_PARAMETER = { name: 'tenant', in: 'path', required: true, description: 'Name of the tenant, as the gateway’s configuration has it.', schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,31}$' } };

const HEADERS: Readonly<Record<number, object>> = {
  401: { 'WWW-Authenticate': { description: 'RFC 6750.', schema: { type: 'string' } } },
  503: { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } },
};

/** The interface of the core listener as OpenAPI 3.1, made from the schemas that check requests. */
export function describeCoreApi({ coreUrl, tenants }: OpenApiOptions): object {
  const before = tenants ? '/t/{tenant}' : '';
  const parameters = tenants ? [TENANT_PARAMETER] : [];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Telephone identity gateway: communication plugin',
      version: '1',
      description: 'What the ID Contact (or Verder Helpen) core and the authentication plugins use of the gateway.',
      license: { name: 'EUPL-1.2', identifier: 'EUPL-1.2' },
    },
    servers: [{ url: coreUrl }],
    paths: {
      [`${before}/start_communication`]: {
        parameters,
        post: {
          operationId: 'startCommunication',
          summary: 'The core starts a communication.',
          description: 'A bearer token, a client certificate, both or neither, as the gateway’s configuration asks.',
          security: [{}, { coreToken: [] }, { coreCertificate: [] }, { coreToken: [], coreCertificate: [] }],
          requestBody: { required: true, content: { 'application/json': { schema: schemaOf(startRequest, 'input') } } },
          responses: responses('start'),
        },
      },
      [`${before}/attr/{token}`]: {
        parameters: [...parameters, TOKEN_PARAMETER],
        post: {
          operationId: 'deliverResult',
          summary: 'An authentication plugin delivers the result of a session, once.',
          description: 'A token that does not verify leaves the session as it was, waiting. The signed claims within are described as ResultClaims.',
          security: [],
          requestBody: { required: true, content: { 'application/jwt': { schema: schemaOf(resultRequest, 'input') } } },
          responses: responses('result'),
        },
      },
      '/openapi.json': {
        get: {
          operationId: 'describe',
          summary: 'This document.',
          security: [],
          responses: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } } },
        },
      },
    },
    components: {
      schemas: { ResultClaims: schemaOf(resultClaims, 'input') },
      securitySchemes: {
        coreToken: { type: 'http', scheme: 'bearer', description: 'One of idContact.coreTokens.' },
        coreCertificate: { type: 'mutualTLS', description: 'A client certificate signed by listeners.core.tls.clientCa, with one of idContact.coreCertificateNames if there are any.' },
      },
    },
  };
}

function responses(endpoint: Endpoint): object {
  return Object.fromEntries(
    [...answersOf(endpoint)].map(([status, schema]) => [
      status,
      { description: meaning(endpoint, status), ...(HEADERS[status] && { headers: HEADERS[status] }), content: { 'application/json': { schema: schemaOf(schema, 'output') } } },
    ]),
  );
}

function meaning(endpoint: Endpoint, status: number): string {
  if (status === 200) return endpoint === 'start' ? 'Started.' : 'Taken.';
  return Object.entries(REFUSALS)
    .filter(([, refused]) => refused.status === status && (refused.at as readonly Endpoint[]).includes(endpoint))
    .map(([code, { meaning: words }]) => `\`${code}\`: ${words}.`)
    .join(' ');
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
