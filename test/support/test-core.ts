/** A core with an authentication plugin behind it, as gateways use them for callers who identify themselves during the call. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jwtVerify } from 'jose';

/** What the gateway signs when it starts an authentication. */
interface StartRequest {
  purpose: string;
  auth_method: string;
  comm_url: string;
  attr_url: string;
}

/** What the gateway's webhook tells of an invitation. */
interface ToldInvitation {
  callId: string;
  address: string;
  pairingCode: string;
  callerNumber?: string;
}

export class TestCore {
  /** The pair with which the gateway signs; this core believes nobody else. */
  readonly requests = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly url: string;
  /** Who logs in next, or that it fails. */
  outcome: Record<string, string> | 'failed' = {};
  /** How the plugin makes its results; the gateway's helper gives it the keys. */
  token: ((attributes: Record<string, string>, claims: Record<string, unknown>) => Promise<string>) | undefined;
  readonly started: StartRequest[] = [];
  /** How the gateway answered results. */
  readonly delivered: number[] = [];
  /** What was told of each session, by the number of its authentication. */
  readonly feedback: string[][] = [];
  readonly invitations: ToldInvitation[] = [];
  private readonly logins = new Map<string, StartRequest>();

  private constructor(private readonly server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.answer(request, Buffer.concat(chunks).toString('utf8'))
          .catch((): [number, Record<string, string>] => [400, {}])
          .then(([status, headers, json]) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json ?? {})))
          .catch(() => undefined);
      });
    });
  }

  static async start(): Promise<TestCore> {
    const server = createServer();
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    return new TestCore(server);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => { this.server.close(resolve); });
  }

  private async answer({ method, url = '' }: IncomingMessage, body: string): Promise<[status: number, headers: Record<string, string>, json?: object]> {
    const [path = '', query = ''] = url.split('?');
    if (path.startsWith('/session_options/')) return [200, {}, { auth_methods: [{ tag: 'digid', name: 'DigiD' }, { tag: 'yivi', name: 'Yivi' }], comm_methods: [] }];
    if (path === '/webhook') {
      this.invitations.push(JSON.parse(body) as ToldInvitation);
      return [200, {}];
    }
    if (path === '/start' && method === 'POST') {
      const { payload, protectedHeader } = await jwtVerify(body, this.requests.publicKey, { requiredClaims: ['iat', 'exp'] });
      if (protectedHeader.kid !== 'telephone') return [400, {}];
      const request = payload['request'] as StartRequest;
      const id = randomUUID();
      this.started.push(request);
      this.logins.set(id, request);
      return [200, {}, { client_url: `${this.url}/login/${id}` }];
    }
    const session = /^\/session\/(\d+)$/.exec(path)?.[1];
    if (session !== undefined && method === 'POST') {
      this.feedback[Number(session)]!.push(new URLSearchParams(query).get('type') ?? '');
      return [200, {}];
    }
    const login = this.logins.get(/^\/login\/(.+)$/.exec(path)?.[1] ?? '');
    if (!login || !this.token) return [404, {}];
    const claims = this.outcome === 'failed' ? { status: 'failed', attributes: undefined } : { session_url: `${this.url}/session/${this.feedback.push([]) - 1}` };
    const token = await this.token(this.outcome === 'failed' ? {} : this.outcome, claims);
    const answer = await fetch(login.attr_url, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body: token });
    this.delivered.push(answer.status);
    return [303, { location: login.comm_url }];
  }
}
