import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResultError, type ResultErrorCode } from '../../core-bridge/results/result-error.js';
import { ResultVerifier } from '../../core-bridge/results/result-verifier.js';
import { ec, otherEc, otherRsa, publicPem, rawJws, rsa, standardClaims, testConfig, token, type TokenParts } from './fixtures.js';

const now = Date.UTC(2026, 0, 15, 12);
const verifier = new ResultVerifier(testConfig().tenants[0]!.idContact, () => now);
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
    const ours = new ResultVerifier(testConfig({}, 'EC').tenants[0]!.idContact, () => now);
    expect((await ours.verify(await make({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: ec.publicKey }))).status).toBe('success');
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

  it('a success may disclose nothing', async () => {
    expect(await verifier.verify(await make({ claims: { attributes: undefined } }))).toMatchObject({ status: 'success', attributes: {} });
  });

  it('clocks may differ by a few seconds', async () => {
    const iat = Math.floor(now / 1_000) - 303;
    expect(await codeOf(await make({ claims: { iat, exp: iat + 300 } }))).toBe('accepted');
    expect(await codeOf(await make({ claims: { iat: iat - 10, exp: iat + 290 } }))).toBe('token_expired');
  });

  it('one key of several fits, as during a rotation', async () => {
    const { idContact } = testConfig().tenants[0]!;
    const keys = [{ name: 'old', type: 'RSA' as const, key: otherRsa.publicKey }, ...idContact.verificationKeys];
    const rotating = new ResultVerifier({ ...idContact, verificationKeys: keys }, () => now);
    expect((await rotating.verify(await make())).authMethod).toBe('yivi');
    expect((await rotating.verify(await make({ signingKey: otherRsa.privateKey }))).authMethod).toBe('old');
  });

  it('the sample of the protocol’s documentation, at its time', async () => {
    const vectors = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8')) as Record<'rsa_private_key' | 'rsa_public_key' | 'ec_public_key' | 'sample_auth_result_jwe', string> & { sample_verified_at: number };
    const sample = new ResultVerifier(
      {
        decryptionKeys: [{ type: 'RSA', key: createPrivateKey(vectors.rsa_private_key) }],
        verificationKeys: [
          { name: 'sample-ec', type: 'EC', key: createPublicKey(vectors.ec_public_key) },
          { name: 'sample-rsa', type: 'RSA', key: createPublicKey(vectors.rsa_public_key) },
        ],
      },
      () => vectors.sample_verified_at * 1_000,
    );
    expect(await sample.verify(vectors.sample_auth_result_jwe)).toMatchObject({ status: 'success', attributes: { email: 'bla' } });
    const today = new ResultVerifier({ decryptionKeys: [{ type: 'RSA', key: createPrivateKey(vectors.rsa_private_key) }], verificationKeys: [{ name: 'r', type: 'RSA', key: createPublicKey(vectors.rsa_public_key) }, { name: 'e', type: 'EC', key: createPublicKey(vectors.ec_public_key) }] });
    expect(await codeOf(vectors.sample_auth_result_jwe, today)).toBe('token_expired');
  });
});

describe('tokens that are refused', () => {
  const claims = standardClaims(now);
  const hs256 = (secret: string): string => {
    const head = rawJws({ alg: 'HS256', typ: 'JWT' }, claims).slice(0, -1);
    return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
  };
  const pss = (): string => {
    const head = rawJws({ alg: 'PS256', typ: 'JWT' }, claims).slice(0, -1);
    return `${head}.${sign('sha256', Buffer.from(head), { key: rsa.privateKey, padding: 6 }).toString('base64url')}`;
  };
  const embeddedJwk = (): Promise<string> => make({ signingKey: otherRsa.privateKey, jwsHeader: { jwk: otherRsa.publicKey.export({ format: 'jwk' }) } });
  const change = (jwe: string, part: number): string => {
    const parts = jwe.split('.');
    const text = parts[part] ?? '';
    parts[part] = (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
    return parts.join('.');
  };
  const attributes = (value: unknown) => () => make({ claims: { attributes: value } });

  const hostile: [name: string, make: () => Promise<string> | string, code: ResultErrorCode][] = [
    ['nothing', () => '', 'token_malformed'],
    ['a word', () => 'hello', 'token_malformed'],
    ['dots', () => '....', 'token_malformed'],
    ['five words', () => 'a.b.c.d.e', 'token_malformed'],
    ['JSON', () => '{"njwt":"x"}', 'token_malformed'],
    ['JSON serialization of a JWE', async () => JSON.stringify({ protected: (await make()).split('.')[0] }), 'token_malformed'],
    ['a signed token that is not encrypted', () => rawJws({ alg: 'RS256' }, claims, 'x'), 'token_malformed'],
    ['a header that is no JSON', async () => `AAAA.${(await make()).split('.').slice(1).join('.')}`, 'token_malformed'],
    ['a header that is a list', async () => `${Buffer.from('[]').toString('base64url')}.${(await make()).split('.').slice(1).join('.')}`, 'token_malformed'],
    ['spaces inside', async () => (await make()).replace('.', ' .'), 'token_malformed'],
    ['oversized', () => 'a'.repeat(70_000), 'token_too_large'],
    ['oversized but otherwise valid', () => make({ claims: { attributes: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a${i}`, 'x'.repeat(1_000)])) } }), 'token_too_large'],
    ['encrypted for someone else', () => make({ encryptionKey: otherRsa.publicKey }), 'token_undecryptable'],
    ['changed encrypted key', async () => change(await make(), 1), 'token_undecryptable'],
    ['changed nonce', async () => change(await make(), 2), 'token_undecryptable'],
    ['changed ciphertext', async () => change(await make(), 3), 'token_undecryptable'],
    ['changed tag', async () => change(await make(), 4), 'token_undecryptable'],
    ['no tag', async () => `${(await make()).split('.').slice(0, 4).join('.')}.`, 'token_malformed'],
    ['key wrapping RSA-OAEP-256', () => make({ jweHeader: { alg: 'RSA-OAEP-256' } }), 'token_algorithm'],
    ['key wrapping dir', () => make({ jweHeader: { alg: 'dir' }, encryptionKey: new Uint8Array(32) }), 'token_algorithm'],
    ['key wrapping ECDH-ES where our key is RSA', () => make({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: ec.publicKey }), 'token_algorithm'],
    ['key wrapping with a password', () => make({ jweHeader: { alg: 'PBES2-HS256+A128KW' }, encryptionKey: new Uint8Array(8) }), 'token_algorithm'],
    ['content encryption A256GCM', () => make({ jweHeader: { enc: 'A256GCM' } }), 'token_algorithm'],
    ['content encryption A128GCM', () => make({ jweHeader: { enc: 'A128GCM' } }), 'token_algorithm'],
    ['compressed', () => make({ jweHeader: { zip: 'DEF' } }), 'token_undecryptable'],
    ['payload that is no JSON', () => make({ rawPayload: 'njwt' }), 'token_malformed'],
    ['payload that is a list', () => make({ rawPayload: '["njwt"]' }), 'token_malformed'],
    ['payload null', () => make({ rawPayload: 'null' }), 'token_malformed'],
    ['payload without njwt', () => make({ rawPayload: '{}' }), 'token_malformed'],
    ['njwt a number', () => make({ njwt: 5 }), 'token_malformed'],
    ['njwt another encrypted token', async () => make({ njwt: await make() }), 'token_malformed'],
    ['alg none, no signature', () => make({ njwt: rawJws({ alg: 'none' }, claims) }), 'token_malformed'],
    ['alg none with something for a signature', () => make({ njwt: rawJws({ alg: 'none' }, claims, 'x') }), 'token_algorithm'],
    ['alg nOnE', () => make({ njwt: rawJws({ alg: 'nOnE' }, claims, 'x') }), 'token_algorithm'],
    ['no alg', () => make({ njwt: rawJws({ typ: 'JWT' }, claims, 'x') }), 'token_algorithm'],
    ['HS256 with the RSA public key', () => make({ njwt: hs256(publicPem(rsa.publicKey)) }), 'token_algorithm'],
    ['HS256 with the EC public key', () => make({ njwt: hs256(publicPem(ec.publicKey)) }), 'token_algorithm'],
    ['PS256 with the right key', () => make({ njwt: pss() }), 'token_algorithm'],
    ['RS512 with the right key', () => make({ jwsHeader: { alg: 'RS512' } }), 'token_algorithm'],
    ['signed with another RSA key', () => make({ signingKey: otherRsa.privateKey }), 'token_signature'],
    ['signed with another EC key', () => make({ jwsHeader: { alg: 'ES256' }, signingKey: otherEc.privateKey }), 'token_signature'],
    ['signed with a key it carries itself', embeddedJwk, 'token_signature'],
    ['an RSA signature said to be EC', async () => make({ njwt: rawJws({ alg: 'ES256' }, claims, Buffer.alloc(64, 1)) }), 'token_signature'],
    ['an empty EC signature of zeros', async () => make({ njwt: rawJws({ alg: 'ES256' }, claims, Buffer.alloc(64)) }), 'token_signature'],
    ['an unknown critical header', () => make({ njwt: rawJws({ alg: 'RS256', crit: ['exp'], exp: 1 }, claims, 'x') }), 'token_malformed'],
    ['an unencoded payload', () => make({ njwt: rawJws({ alg: 'RS256', b64: false, crit: ['b64'] }, claims, 'x') }), 'token_signature'],
    ['claims that are no JSON', () => make({ rawClaims: 'hello' }), 'token_malformed'],
    ['claims that are a list', () => make({ rawClaims: '[]' }), 'token_malformed'],
    ['expired', () => make({ claims: { exp: Math.floor(now / 1_000) - 60 } }), 'token_expired'],
    ['no exp', () => make({ claims: { exp: undefined } }), 'token_malformed'],
    ['exp a text', () => make({ claims: { exp: '99999999999' } }), 'token_malformed'],
    ['exp null', () => make({ claims: { exp: null } }), 'token_malformed'],
    ['not yet valid', () => make({ claims: { nbf: Math.floor(now / 1_000) + 60 } }), 'token_not_yet_valid'],
    ['no sub', () => make({ claims: { sub: undefined } }), 'token_subject'],
    ['another sub', () => make({ claims: { sub: 'id-contact-continuation' } }), 'token_subject'],
    ['sub a list', () => make({ claims: { sub: ['id-contact-attributes'] } }), 'token_subject'],
    ['no status', () => make({ claims: { status: undefined } }), 'token_status'],
    ['another status', () => make({ claims: { status: 'cancelled' } }), 'token_status'],
    ['status true', () => make({ claims: { status: true } }), 'token_status'],
    ['attributes a list', attributes(['a']), 'token_attributes'],
    ['attributes a text', attributes('name=Willeke'), 'token_attributes'],
    ['an attribute that is a number', attributes({ age: 30 }), 'token_attributes'],
    ['an attribute that is null', attributes({ age: null }), 'token_attributes'],
    ['an attribute that is a group', attributes({ a: { b: 'c' } }), 'token_attributes'],
    ['an attribute without a name', attributes({ '': 'x' }), 'token_attributes'],
    ['an attribute with a name of the language', () => make({ rawClaims: JSON.stringify(claims).replace('"name"', '"__proto__"') }), 'token_attributes'],
    ['too many attributes', attributes(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`a${i}`, 'x']))), 'token_attributes'],
    ['a very long attribute', attributes({ a: 'x'.repeat(9_000) }), 'token_attributes'],
    ['a session_url that is no address', () => make({ claims: { session_url: 'plugin' } }), 'token_malformed'],
    ['a session_url for a script', () => make({ claims: { session_url: 'javascript:alert(1)' } }), 'token_malformed'],
    ['a session_url for a file', () => make({ claims: { session_url: 'file:///etc/passwd' } }), 'token_malformed'],
  ];

  it.each(hostile)('%s', async (_name, build, code) => {
    expect(await codeOf(await build())).toBe(code);
  });

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

  it('no refusal repeats anything of the token', async () => {
    const jwe = await make({ claims: { attributes: { canary: { canary: 'canary' } } } });
    const error = await verifier.verify(jwe).catch((caught: unknown) => caught);
    expect(JSON.stringify(error) + String(error)).not.toContain('canary');
    expect((error as Error).cause).toBeUndefined();
  });
});
