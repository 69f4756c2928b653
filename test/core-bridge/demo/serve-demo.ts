import Fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../../../config/index.js';
import { companionPages } from '../../../core-bridge/companion/index.js';
import { createCoreServer } from '../../../core-bridge/core-api/index.js';
import { demoPages } from '../../../core-bridge/demo/index.js';
import { createIdentification, pairingPages, type CallIdentification } from '../../../core-bridge/identify/index.js';
import { KeyRing } from '../../../core-bridge/key-ring.js';
import { createBoards } from '../../../core-bridge/progress/index.js';
import { createVault, type SessionVault } from '../../../core-bridge/vault/index.js';

export interface ServedDemo {
  /** Of the public listener. */
  readonly base: string;
  readonly vault: SessionVault;
  readonly identification: CallIdentification;
  stop(): Promise<void>;
}

/** The words of the tests: their number says which. */
const words = Array.from({ length: 64 }, (_, index) => `word-${index}`);

/** The core listener and all pages for citizens of a demo configuration, listening, without the telephone. */
export async function serveDemo(config: Config, log: Logger, sipAddress?: () => { host: string; port: number } | undefined): Promise<ServedDemo> {
  const tenant = config.tenants[0]!;
  const vault = createVault({ ...tenant, calls: config.calls });
  const boards = createBoards();
  let [coreUrl, base] = ['', ''];
  const publicUrl = (): string => base;
  const identification = createIdentification({ tenant, vault, maxOpen: 10, publicUrl, resultsUrl: () => coreUrl, coreUrl: () => `${base}/demo/core`, log });
  const core = createCoreServer({ tenants: [{ tenant, vault, boards, keys: new KeyRing(tenant.idContact) }], log, coreUrl: () => coreUrl, publicUrl });
  const app = Fastify({ loggerInstance: log, forceCloseConnections: true }) as unknown as FastifyInstance;
  await app.register(demoPages({ config, log, coreUrl: () => coreUrl, publicUrl, ...(sipAddress && { sipAddress }) }));
  await app.register(companionPages({ tenants: [{ displayName: tenant.displayName, phoneNumber: tenant.idContact.phoneNumber, phoneNumberShown: tenant.idContact.phoneNumberShown, vault, boards, languageOf: () => 'nl' }], words: { nl: words, en: words }, secure: false, log }));
  const guard = { admit: () => Promise.resolve({ settle: () => undefined }) };
  await app.register(pairingPages({ identification, guard, organisation: tenant.displayName, pairingDigits: tenant.identify.pairingDigits, language: 'nl', secure: false, log }));
  coreUrl = await core.listen({ host: '127.0.0.1', port: 0 });
  base = await app.listen({ host: '127.0.0.1', port: 0 });
  const stop = async (): Promise<void> => {
    await Promise.all([app.close(), core.close()]);
    await identification.close();
    await boards.close();
    await vault.close();
  };
  return { base, vault, identification, stop };
}
