import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Secret } from '../../config/index.js';
import { generateCode } from '../codes/index.js';
import type { SessionForCall, SessionVault } from '../vault/vault.js';
import type { AuthMethod, CoreClient } from './core-client.js';
import { IdentifyError, type Identification, type PairingInvitation } from './identify.js';
import type { PairingStore } from './pairing-store.js';
import { derivedKey, SealedBox } from '../sealed-box.js';
import type { Webhook } from './webhook.js';

export interface CallIdentificationOptions {
  /** undefined: not offered. */
  readonly core?: CoreClient;
  readonly vault: Pick<SessionVault, 'createForCall' | 'awaits' | 'purge'>;
  readonly store: PairingStore;
  /** The tenant's hash key, the same on every node; the keys used here are derived from it. */
  readonly hashKey: Secret;
  /** Check digit included. */
  readonly pairingDigits: number;
  readonly lifetimeMs: number;
  /** What callers are told to open; asked for each invitation, since a free port is known only once it is bound. */
  readonly address: () => string;
  /** Where the citizen's browser goes after authenticating. */
  readonly pageUrl: (pageToken: string) => string;
  /** Where the result is posted. */
  readonly attrUrl: (attrToken: string) => string;
  readonly webhook?: Webhook;
  readonly log: Logger;
  /** Clock, in ms since 1970. */
  readonly now?: () => number;
}

const pairing = z.object({
  callId: z.string(),
  sessionId: z.string(),
  purpose: z.string(),
  methods: z.array(z.object({ tag: z.string(), name: z.string() })),
  pageToken: z.string(),
  attrToken: z.string(),
  /** ms since 1970. */
  expiresAtMs: z.number(),
});
type Pairing = z.infer<typeof pairing>;

/** A pairing code was right: what the page goes on with. */
export interface Redeemed {
  /** Stands for the code, which is used; to be handed back with the chosen method. Opaque, and no longer than a form may be. */
  readonly ticket: string;
  readonly methods: readonly AuthMethod[];
}

/** From the right code to the choice of a method, in ms; authenticating itself takes place at the core. */
const TICKET_LIFETIME_MS = 10 * 60_000;
/** A fresh code meets an open one about never; several in a row means that something is broken. */
const MAX_CODE_TRIES = 10;
/** Room for a ticket with as many methods as a core may offer; most are some hundreds of characters. */
const MAX_TICKET_CHARACTERS = 16_384;

/**
 * Authentication during the call. Whoever holds a pairing code can put an identity of their own on somebody's call, and
 * no more: the code leads to nothing that is known of the caller, and the agent sees the identity only after the caller
 * has read out the word on the page that its owner reached. For that the page's token is never given to whoever typed
 * the code, only to the core: it comes back with the browser that authenticated.
 */
export class CallIdentification implements Identification {
  readonly #options: CallIdentificationOptions;
  readonly #now: () => number;
  readonly #hashKey: Buffer;
  readonly #pairings: SealedBox<Pairing>;
  readonly #tickets: SealedBox<Pairing>;
  /** The invitation of each call; without a code while it is being made. */
  readonly #invited = new Map<string, { codeHash?: string; expiresAtMs: number }>();
  #closed = false;

  constructor(options: CallIdentificationOptions) {
    const secret = options.hashKey.reveal();
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#hashKey = derivedKey(secret, 'pairing codes');
    this.#pairings = new SealedBox(secret, 'pairing', pairing);
    this.#tickets = new SealedBox(secret, 'pairing ticket', pairing);
  }

  get offered(): boolean {
    return this.#options.core !== undefined;
  }

  async invite(callId: string, purpose: string, callerNumber?: string): Promise<PairingInvitation> {
    const { core, vault, lifetimeMs } = this.#options;
    if (!core || this.#closed) throw new IdentifyError('not_offered');
    this.withdraw(callId);
    this.#forgetExpired();
    const invited: { codeHash?: string; expiresAtMs: number } = { expiresAtMs: this.#now() + lifetimeMs };
    this.#invited.set(callId, invited);
    let session: SessionForCall | undefined;
    try {
      // Asked before the caller is told anything: who cannot authenticate for this shall not be sent to a page.
      const methods = await core.methods(purpose);
      if (methods.length === 0) throw new IdentifyError('core_refused');
      this.#stillWanted(callId, invited);
      session = await vault.createForCall({ purpose, callId });
      this.#stillWanted(callId, invited);
      const { sessionId, pageToken, attrToken, board, word } = session;
      const pairingCode = await this.#store({ callId, sessionId, purpose, methods: [...methods], pageToken, attrToken, expiresAtMs: invited.expiresAtMs }, invited);
      this.#stillWanted(callId, invited);
      const invitation = { address: this.#options.address(), pairingCode, expiresAt: new Date(invited.expiresAtMs) };
      this.#options.log.info({ callId, sessionId }, 'caller invited to identify');
      this.#options.webhook?.tell({ callId, ...invitation, ...(callerNumber !== undefined && { callerNumber }) });
      return { ...invitation, sessionId, board, word };
    } catch (error) {
      if (this.#invited.get(callId) === invited) this.#invited.delete(callId);
      this.#drop(invited);
      if (session) await vault.purge(session.sessionId, callId).catch(() => undefined);
      throw error;
    }
  }

  withdraw(callId: string): void {
    const invited = this.#invited.get(callId);
    if (!invited) return;
    this.#invited.delete(callId);
    this.#drop(invited);
  }

  /**
   * Uses a pairing code up.
   * @returns what the page goes on with; for a code that leads nowhere whether it ever did, for counting guesses only: citizens are never told which
   * @throws VaultError `store_unreachable`
   */
  async redeem(code: string): Promise<Redeemed | 'unknown' | 'used'> {
    const { store, vault, log } = this.#options;
    const taken = await store.take(this.#hash(code));
    if (taken === undefined || taken === 'used') return taken ?? 'unknown';
    const found = this.#pairings.open(taken.sealed);
    if (!found || found.expiresAtMs <= this.#now() || !(await vault.awaits(found.attrToken))) return 'used';
    log.info({ callId: found.callId, sessionId: found.sessionId }, 'pairing code redeemed');
    return { ticket: this.#tickets.seal({ ...found, expiresAtMs: this.#now() + TICKET_LIFETIME_MS }), methods: found.methods };
  }

  /** The methods a ticket lets choose from; undefined for one that is none of ours or too old. */
  methodsOf(ticket: string): readonly AuthMethod[] | undefined {
    return this.#openTicket(ticket)?.methods;
  }

  /**
   * Starts the authentication at the core.
   * @returns where to send the citizen's browser
   * @throws IdentifyError `withdrawn` for a ticket that is too old, none of ours, or of a session that awaits nothing any more; `core_unreachable`, `core_refused`
   * @throws VaultError `store_unreachable`
   */
  async begin(ticket: string, method: string): Promise<string> {
    const { core, vault, pageUrl, attrUrl } = this.#options;
    const opened = this.#openTicket(ticket);
    if (!core || !opened || !opened.methods.some(({ tag }) => tag === method) || !(await vault.awaits(opened.attrToken))) throw new IdentifyError('withdrawn');
    const { callId, sessionId, purpose, pageToken, attrToken } = opened;
    try {
      const clientUrl = await core.start({ purpose, authMethod: method, commUrl: pageUrl(pageToken), attrUrl: attrUrl(attrToken) });
      this.#options.log.info({ callId, sessionId }, 'authentication during the call started');
      return clientUrl;
    } catch (error) {
      if (error instanceof IdentifyError) this.#options.log.warn({ callId, sessionId, outcome: error.code }, 'the core did not start an authentication');
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const callId of [...this.#invited.keys()]) this.withdraw(callId);
    this.#options.webhook?.close();
    return Promise.resolve();
  }

  #stillWanted(callId: string, invited: object): void {
    if (this.#invited.get(callId) !== invited) throw new IdentifyError('withdrawn');
  }

  /** Finds a code that no open pairing has, and stores the pairing under its hash. */
  async #store(content: Pairing, invited: { codeHash?: string; expiresAtMs: number }): Promise<string> {
    const sealed = this.#pairings.seal(content);
    for (let tries = 0; tries < MAX_CODE_TRIES; tries += 1) {
      const code = generateCode(this.#options.pairingDigits);
      const codeHash = this.#hash(code);
      const outcome = await this.#options.store.put(codeHash, sealed, invited.expiresAtMs);
      if (outcome === 'stored') {
        invited.codeHash = codeHash;
        return code;
      }
      if (outcome === 'full') break;
    }
    throw new IdentifyError('too_many');
  }

  #drop({ codeHash }: { codeHash?: string }): void {
    // One that cannot be taken back now expires by itself, and its session is purged by its call.
    if (codeHash !== undefined) this.#options.store.take(codeHash).catch(() => undefined);
  }

  #openTicket(ticket: string): Pairing | undefined {
    const opened = ticket.length > MAX_TICKET_CHARACTERS ? undefined : this.#tickets.open(ticket);
    return opened && opened.expiresAtMs > this.#now() ? opened : undefined;
  }

  #hash(code: string): string {
    return createHmac('sha256', this.#hashKey).update(code).digest('base64url');
  }

  /** Calls withdraw what they do not want; this is for one that did not. Oldest first, so the first that lasts ends it. */
  #forgetExpired(): void {
    const now = this.#now();
    for (const [callId, { expiresAtMs }] of this.#invited) {
      if (expiresAtMs > now) return;
      this.#invited.delete(callId);
    }
  }
}
