import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { Happenings, type Happening } from '../../gateway/happenings.js';
import { createScreens, type AgentScreens } from '../../gateway/screen/screens.js';
import { agentsListener } from '../../gateway/sign-in/listener.js';
import { Provider, type OidcConfig } from '../../gateway/sign-in/provider.js';
import { SignIn, type SignInOptions, type SignInTenant } from '../../gateway/sign-in/sign-in.js';
import { freePort } from '../peers/ports.js';
import { account } from '../screen/listener.js';

export { account, password } from '../screen/listener.js';

/** The agents' listener with a page for each role behind it. */
export interface TestDoor {
  readonly signIn: SignIn;
  readonly screens: AgentScreens;
  readonly app: FastifyInstance;
  readonly origin: string;
  readonly happened: Happening[];
  /** Every route there is, as `GET /login`. */
  readonly routes: readonly string[];
  /** How each request was answered, as `GET /login 200`. */
  readonly answered: string[];
  logged(): string;
  stop(): Promise<void>;
}

export const log = pino({ level: 'silent' });

export function tenant(name: string, oidc: OidcConfig | undefined, over: Partial<SignInTenant> = {}): SignInTenant {
  return {
    name, displayName: `Gemeente ${name}`, path: name === 'main' ? '' : `/t/${name}`, local: true,
    ...(oidc && { oidc: { config: oidc, provider: new Provider(oidc, log) } }),
    policy: { idleTimeoutMs: 1_800_000, maxSessionMs: 43_200_000 },
    ...over,
  };
}

export async function startDoor(options: Partial<SignInOptions> & { port?: number; host?: string; https?: { key: string; cert: string } } = {}): Promise<TestDoor> {
  const { port = await freePort(), host = '127.0.0.1', https, ...given } = options;
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const happenings = new Happenings(log);
  const happened: Happening[] = [];
  happenings.on('happening', (one) => void happened.push(one));
  const accounts = given.accounts ?? [account('anna', 'Anna de Wit'), account('sofie', 'Sofie', { roles: ['supervisor', 'auditor'], hasPhone: false })];
  const origin = `${https ? 'https' : 'http'}://${host}:${port}`;
  const signIn = new SignIn({ log: logger, baseUrl: () => origin, happenings, ...given, accounts });
  const screens = createScreens({ agents: accounts.filter(({ hasPhone }) => hasPhone), signIn, log: logger });
  const loggerInstance: FastifyBaseLogger = logger;
  const app = fastify({ loggerInstance, logController: new LogController({ disableRequestLogging: true }), forceCloseConnections: true, ...(https && { https }) }) as unknown as FastifyInstance;
  const routes: string[] = [];
  const answered: string[] = [];
  app.addHook('onResponse', async (request, reply) => void answered.push(`${request.method} ${request.url} ${reply.statusCode}`));
  app.addHook('onRoute', ({ method, url }) => void routes.push(...[method].flat().map((one) => `${one} ${url}`)));
  await app.register(agentsListener(signIn, [screens.plugin, async (room) => {
    for (const role of ['supervisor', 'auditor', 'admin'] as const) {
      room.get(`/of/${role}`, { preValidation: signIn.pageFor(role) }, async () => 'seen');
      room.get(`/api/${role}`, { preValidation: signIn.requireRole(role) }, async () => ({ seen: true }));
    }
  }]));
  await app.listen({ host: '127.0.0.1', port });
  return {
    signIn, screens, app, origin, happened, routes, answered,
    logged: () => lines.join(''),
    stop: async () => {
      screens.close();
      signIn.close();
      await app.close();
    },
  };
}
