import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KeyObject } from 'node:crypto';
import { jwtVerify } from 'jose';

export interface SignedRequest {
  readonly kid: string | undefined;
  readonly alg: string;
  readonly lifetimeSeconds: number;
  readonly request: { purpose: string; auth_method: string; comm_url: string; attr_url: string };
}

/** A core with methods to choose from; believes requests signed with the given key only. */
export interface TestCore {
  readonly url: string;
  methods: { tag: string; name: string; image_path?: string }[];
  /** What `POST /start` answers. */
  clientUrl: string;
  /** Takes over the answering of everything. */
  instead: ((response: ServerResponse) => void) | undefined;
  /** Runs before an answer is given. */
  before: (() => void | Promise<void>) | undefined;
  readonly started: SignedRequest[];
  readonly asked: string[];
  stop(): Promise<void>;
}

export async function startTestCore(publicKey: KeyObject): Promise<TestCore> {
  const answer = async (method: string, path: string, headers: Record<string, unknown>, body: string): Promise<[number, object]> => {
    await core.before?.();
    if (method === 'GET' && path === '/base/session_options/report%20move') return [200, { auth_methods: core.methods, comm_methods: [] }];
    if (method !== 'POST' || path !== '/base/start') return [404, {}];
    if (headers['content-type'] !== 'application/jwt' || headers['accept'] !== 'application/json') return [415, {}];
    const { payload, protectedHeader } = await jwtVerify(body, publicKey, { requiredClaims: ['iat', 'exp'] });
    core.started.push({ kid: protectedHeader.kid, alg: protectedHeader.alg, lifetimeSeconds: payload.exp! - payload.iat!, request: payload['request'] as SignedRequest['request'] });
    return [200, { client_url: core.clientUrl }];
  };
  const server = createServer((request, response) => {
    core.asked.push(`${request.method} ${request.url}`);
    if (core.instead) {
      core.instead(response);
      return;
    }
    let body = '';
    request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
    request.on('end', () => {
      void answer(request.method ?? '', request.url ?? '', request.headers, body)
        .catch((): [number, object] => [400, {}])
        .then(([status, json]) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json)));
    });
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const core: TestCore = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`,
    methods: [{ tag: 'digid', name: 'DigiD', image_path: 'https://elsewhere.example/digid.svg' }, { tag: 'yivi', name: 'Yivi <app>' }],
    clientUrl: 'https://login.example/start?session=1',
    instead: undefined,
    before: undefined,
    started: [],
    asked: [],
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => { server.close(resolve); });
    },
  };
  return core;
}
