/** Sessions with results, as core and authentication plugin make them, ready to be called for. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { CompactEncrypt, SignJWT } from 'jose';
import type { Gateway } from './protocol.js';

export interface Citizen {
  name: string;
  code: string;
}

/** Requests under way at one time. */
const atOnce = 8;

export class Citizens {
  private readonly ready: Citizen[] = [];
  private made = 0;
  private readonly encryptionKey: KeyObject;
  private readonly signingKey: KeyObject;

  constructor(private readonly gateway: Gateway) {
    this.encryptionKey = createPublicKey(gateway.encryptionKey);
    this.signingKey = createPrivateKey(gateway.signingKey);
  }

  /** @returns sessions with their results per second, the making of the tokens included */
  async make(count: number): Promise<number> {
    const startedAt = performance.now();
    let left = count;
    await Promise.all(Array.from({ length: Math.min(atOnce, count) }, async () => {
      while (left-- > 0) this.ready.push(await this.one(`Bench ${++this.made}`));
    }));
    return count / ((performance.now() - startedAt) / 1_000);
  }

  get count(): number {
    return this.ready.length;
  }

  /** @throws when none is left */
  take(): Citizen {
    const citizen = this.ready.shift();
    if (!citizen) throw new Error('no session is left; make more before calling');
    return citizen;
  }

  private async one(name: string): Promise<Citizen> {
    const answer = await fetch(`${this.gateway.coreUrl}/start_communication`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ purpose: 'report_move' }),
    });
    if (answer.status !== 200) throw new Error(`start_communication was answered ${answer.status}`);
    const { client_url: clientUrl, attr_url: attrUrl } = (await answer.json()) as { client_url: string; attr_url: string };
    const now = Math.floor(Date.now() / 1_000);
    const inner = await new SignJWT({ sub: 'id-contact-attributes', status: 'succes', attributes: { fullname: name, city: 'Nijmegen', bsn: '999990019' }, iat: now, exp: now + 300 })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .sign(this.signingKey);
    const token = await new CompactEncrypt(new TextEncoder().encode(JSON.stringify({ njwt: inner })))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A128CBC-HS256', typ: 'JWT', cty: 'JWT' })
      .encrypt(this.encryptionKey);
    const delivered = await fetch(attrUrl, { method: 'POST', headers: { 'content-type': 'application/jwt' }, body: token });
    if (delivered.status !== 200) throw new Error(`the result was answered ${delivered.status}`);
    return { name, code: clientUrl.split(',')[1]! };
  }
}
