import { createPublicKey } from 'node:crypto';
import { CompactEncrypt, SignJWT } from 'jose';
import type { DemoKeys, Tenant } from '../../config/index.js';
import { DIALECTS, FAILURE_WORD } from '../results/dialect.js';

/** What the test authentication is asked to report. */
export type TestOutcome = { readonly status: 'success'; readonly attributes: Readonly<Record<string, string>> } | { readonly status: 'failed' };

/** The demo's authentication plugin: authenticates nobody, but signs and encrypts as a real one does. */
export class TestPlugin {
  readonly #idContact: Pick<Tenant['idContact'], 'dialect' | 'decryptionKeys'>;
  readonly #keys: DemoKeys;

  constructor(idContact: Pick<Tenant['idContact'], 'dialect' | 'decryptionKeys'>, keys: DemoKeys) {
    this.#idContact = idContact;
    this.#keys = keys;
  }

  /**
   * A result token: JWS by this plugin's key inside a JWE for the gateway's key, valid for five minutes.
   * @param sessionUrl where this plugin wants to hear of the session
   */
  async token(outcome: TestOutcome, sessionUrl: string): Promise<string> {
    const { dialect, decryptionKeys } = this.#idContact;
    const decryptionKey = decryptionKeys[0]!;
    const words = DIALECTS[dialect];
    const what = outcome.status === 'success' ? { status: words.success, attributes: outcome.attributes } : { status: FAILURE_WORD };
    const claims = { ...what, session_url: sessionUrl };
    const njwt = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'JWT' }).setSubject(words.subject).setIssuedAt().setExpirationTime('5m').sign(this.#keys.signingKey);
    const alg = decryptionKey.type === 'RSA' ? 'RSA-OAEP' : 'ECDH-ES';
    return new CompactEncrypt(new TextEncoder().encode(JSON.stringify({ njwt })))
      .setProtectedHeader({ alg, enc: 'A128CBC-HS256', typ: 'JWT', cty: 'JWT' })
      .encrypt(createPublicKey(decryptionKey.key));
  }
}
