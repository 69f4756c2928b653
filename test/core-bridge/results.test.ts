import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyRing } from '../../core-bridge/key-ring.js';
import { ResultError } from '../../core-bridge/results/result-error.js';
import { ResultVerifier } from '../../core-bridge/results/result-verifier.js';
import { parseStrictJson } from '../../core-bridge/results/strict-json.js';
import { ec, otherEc, otherRsa, testConfig, token, type TokenParts } from './fixtures.js';

const now = Date.UTC(2026, 0, 15, 12);
const keysOf = (config = testConfig()): KeyRing => new KeyRing(config.tenants[0]!.idContact);
const verifier = new ResultVerifier(keysOf(), () => now);
const make = (parts: TokenParts = {}): Promise<string> => token({ now, ...parts });
const codeOf = async (jwe: string, by = verifier): Promise<string> =>
  by.verify(jwe).then(
    () => 'accepted',
    (error: unknown) => (error instanceof ResultError ? error.code : `not a ResultError: ${String(error)}`),
  );

describe('results that are accepted', () => {
  it('RSA throughout', async () => {
    expect(await verifier.verify(await make())).toEqual({ status: 'success', attributes: { name: 'Willeke' }, authMethod: 'yivi', verifiedAt: new Date(now) });
  });

  it('signed with EC: the plugin is told by the key', async () => {
    const result = await verifier.verify(await make({ jwsHeader: { alg: 'ES256' }, signingKey: ec.privateKey }));
    expect(result.authMethod).toBe('digid');
  });

  it('encrypted for an EC key', async () => {
    const ours = new ResultVerifier(keysOf(testConfig({}, 'EC')), () => now);
    const jwe = await make({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: ec.publicKey });
    expect((await ours.verify(jwe)).status).toBe('success');
    expect(await codeOf(jwe)).toBe('token_algorithm');
  });

  it.each([
    ['id-contact-attributes', 'succes'],
    ['verder-helpen-attributes', 'success'],
  ])('dialect: %s, %s', async (sub, status) => {
    expect((await verifier.verify(await make({ claims: { sub, status } }))).status).toBe('success');
  });

  it('a failure is a result, without attributes', async () => {
    const result = await verifier.verify(await make({ claims: { status: 'failed', session_url: 'https://plugin.example/s?id=1' } }));
    expect(result).toEqual({ status: 'failed', authMethod: 'yivi', verifiedAt: new Date(now), sessionUrl: 'https://plugin.example/s?id=1' });
  });

  it.each([[undefined], [null], [{}]])('a success may disclose nothing: %s', async (attributes) => {
    expect(await verifier.verify(await make({ claims: { attributes } }))).toMatchObject({ status: 'success', attributes: {} });
  });

  it('names and texts as people have them', async () => {
    const attributes = { 'Volledige naam': 'Zoë ’t Ḥōfman-Łukasiewicz', adres: 'Dorpsstraat 1\n1234 AB Voorbeeld', नाम: 'क्‍ष', leeg: '' };
    expect(await verifier.verify(await make({ claims: { attributes } }))).toMatchObject({ attributes });
  });

  it('clocks may differ by a little', async () => {
    const seconds = Math.floor(now / 1_000);
    expect(await codeOf(await make({ claims: { iat: seconds - 303, exp: seconds - 3 } }))).toBe('accepted');
    expect(await codeOf(await make({ claims: { iat: seconds - 310, exp: seconds - 10 } }))).toBe('token_expired');
    expect(await codeOf(await make({ claims: { iat: seconds + 50, exp: seconds + 350 } }))).toBe('accepted');
    expect(await codeOf(await make({ claims: { iat: seconds + 70, exp: seconds + 370 } }))).toBe('token_not_yet_valid');
  });

  it('the sample of the protocol’s documentation, at its time and at no other', async () => {
    const vectors = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8')) as Record<'rsa_private_key' | 'rsa_public_key' | 'ec_public_key' | 'sample_auth_result_jwe', string> & { sample_verified_at: number };
    const keys = new KeyRing({
      decryptionKeys: [{ type: 'RSA', key: createPrivateKey(vectors.rsa_private_key) }],
      verificationKeys: [
        { name: 'sample-ec', type: 'EC', key: createPublicKey(vectors.ec_public_key) },
        { name: 'sample-rsa', type: 'RSA', key: createPublicKey(vectors.rsa_public_key) },
      ],
      coreTokens: [],
    });
    const sample = new ResultVerifier(keys, () => vectors.sample_verified_at * 1_000);
    expect(await sample.verify(vectors.sample_auth_result_jwe)).toMatchObject({ status: 'success', attributes: { email: 'bla' } });
    expect(await codeOf(vectors.sample_auth_result_jwe, new ResultVerifier(keys))).toBe('token_expired');
  });
});

describe('while keys change', () => {
  const ours = keysOf().current;
  const former = { type: 'RSA' as const, key: otherRsa.privateKey };

  it('results for our new and for our former keys are opened, whatever their kind and order', async () => {
    const rotating = new ResultVerifier(new KeyRing({ ...ours, decryptionKeys: [former, { type: 'EC', key: otherEc.privateKey }, ...ours.decryptionKeys] }), () => now);
    expect(await codeOf(await make(), rotating)).toBe('accepted');
    expect(await codeOf(await make({ encryptionKey: otherRsa.publicKey }), rotating)).toBe('accepted');
    expect(await codeOf(await make({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: otherEc.publicKey }), rotating)).toBe('accepted');
    expect(await codeOf(await make({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: ec.publicKey }), rotating)).toBe('token_undecryptable');
  });

  it('a plugin’s new and old signatures are its own', async () => {
    const keys = [{ name: 'yivi', type: 'RSA' as const, key: otherRsa.publicKey }, ...ours.verificationKeys];
    const rotating = new ResultVerifier(new KeyRing({ ...ours, verificationKeys: keys }), () => now);
    expect((await rotating.verify(await make())).authMethod).toBe('yivi');
    expect((await rotating.verify(await make({ signingKey: otherRsa.privateKey }))).authMethod).toBe('yivi');
  });

  it('keys replaced while the gateway runs count from the next token on, and those left out no more', async () => {
    const keys = new KeyRing(ours);
    const running = new ResultVerifier(keys, () => now);
    const forNew = await make({ encryptionKey: otherRsa.publicKey });
    expect(await codeOf(forNew, running)).toBe('token_undecryptable');
    const underWay = codeOf(await make(), running);
    keys.replace({ ...ours, decryptionKeys: [former] });
    expect(await underWay).toBe('accepted');
    expect(await codeOf(forNew, running)).toBe('accepted');
    expect(await codeOf(await make(), running)).toBe('token_undecryptable');
    keys.replace({ ...ours, verificationKeys: [{ name: 'other', type: 'EC', key: otherEc.publicKey }] });
    expect(await codeOf(await make(), running)).toBe('token_algorithm');
  });
});

describe('what is refused', () => {
  it('whatever is changed in a valid token, it is refused in an orderly way', async () => {
    const jwe = await make();
    await fc.assert(
      fc.asyncProperty(fc.nat(jwe.length - 1), fc.constantFrom(...'Az09-_.~ \0é'), fc.boolean(), async (at, character, insert) => {
        const changed = jwe.slice(0, at) + character + jwe.slice(insert ? at : at + 1);
        // The last letter of a part may carry unused bits: another spelling of the same bytes is the same token.
        const bytes = (text: string): string => text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex')).join('.');
        if (bytes(changed) === bytes(jwe)) return;
        expect(await codeOf(changed)).toMatch(/^token_(malformed|algorithm|undecryptable)$/);
      }),
      { numRuns: 400 },
    );
  });

  it('arbitrary text is refused in an orderly way', async () => {
    await fc.assert(fc.asyncProperty(fc.string({ maxLength: 300, unit: 'binary' }), async (text) => {
      expect(await codeOf(text)).toMatch(/^token_/);
    }), { numRuns: 300 });
  });

  it('arbitrary claims are refused in an orderly way', async () => {
    await fc.assert(fc.asyncProperty(fc.json({ maxDepth: 3 }), async (rawClaims) => {
      expect(await codeOf(await make({ rawClaims }))).toMatch(/^token_/);
    }), { numRuns: 60 });
  });

  it('no refusal repeats anything of the token', async () => {
    const jwe = await make({ claims: { attributes: { canary: { canary: 'canary' } } } });
    const error = await verifier.verify(jwe).catch((caught: unknown) => caught);
    expect(JSON.stringify(error) + String(error)).not.toContain('canary');
    expect((error as Error).cause).toBeUndefined();
  });
});

describe('JSON is read strictly', () => {
  const read = (text: string): unknown => parseStrictJson(Buffer.from(text));

  it('as JSON.parse reads it, when every key stands once', () => {
    fc.assert(fc.property(fc.json(), (text) => {
      if (text.includes('__proto__')) return;
      expect(read(text)).toEqual(JSON.parse(text));
    }));
    expect(read('{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"\\"a\\":","d":"{"}')).toEqual({ a: { a: 1 }, b: [{ a: 1 }, { a: 2 }], c: '"a":', d: '{' });
  });

  it.each(['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"x":[{"a":1, "b":2 ,\n"a" :3}]}', '{"a":{"b":1},"a":2}', '{"__proto__":1}', '[{"x":{"__proto__":{}}}]', '\uFEFF{}', '{}x', ''])('not %j', (text) => {
    expect(() => read(text)).toThrow(SyntaxError);
  });
});
