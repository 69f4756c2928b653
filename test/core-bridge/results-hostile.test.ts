import { createHmac, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ResultErrorCode } from '../../core-bridge/results/result-error.js';
import { ec, otherEc, otherRsa, privatePem, publicPem, rawJws, rsa, serveCore, standardClaims, testConfig, token, type ServedCore, type TokenParts } from './fixtures.js';

const now = Date.UTC(2026, 0, 15, 12);
const seconds = now / 1_000;
const claims = standardClaims(now);
const make = (parts: TokenParts = {}): Promise<string> => token({ now, ...parts });

const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url');
/** A valid token whose outer header says something else. Wrong for its authentication tag too, but that is not to be reached. */
const withHeader = async (header: string | Uint8Array): Promise<string> => `${base64(header)}.${(await make()).split('.').slice(1).join('.')}`;
const header = (changes: object): string => JSON.stringify({ alg: 'RSA-OAEP', enc: 'A128CBC-HS256', typ: 'JWT', cty: 'JWT', ...changes });
const change = async (part: number): Promise<string> => {
  const parts = (await make()).split('.');
  const text = parts[part] ?? '';
  parts[part] = (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
  return parts.join('.');
};
const hs256 = (secret: string): string => {
  const head = rawJws({ alg: 'HS256', typ: 'JWT' }, claims).slice(0, -1);
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
};
const pss = (): string => {
  const head = rawJws({ alg: 'PS256', typ: 'JWT' }, claims).slice(0, -1);
  return `${head}.${sign('sha256', Buffer.from(head), { key: rsa.privateKey, padding: 6 }).toString('base64url')}`;
};
/** Signed with a key that only the token itself vouches for. */
const signedByStranger = (jwsHeader: object) => () => make({ signingKey: otherRsa.privateKey, jwsHeader: { alg: 'RS256', ...jwsHeader } });
const said = (changes: Record<string, unknown>) => () => make({ claims: changes });
const attributes = (value: unknown) => said({ attributes: value });
const raw = (rawClaims: string) => () => make({ rawClaims });
const outside = { jwk: otherRsa.publicKey.export({ format: 'jwk' }) };
const plain = JSON.stringify(claims);

const hostile: [name: string, make: () => Promise<string | Uint8Array> | string | Uint8Array, code: ResultErrorCode][] = [
  // What is no token.
  ['nothing', () => '', 'token_malformed'],
  ['a word', () => 'hello', 'token_malformed'],
  ['dots', () => '....', 'token_malformed'],
  ['five words', () => 'a.b.c.d.e', 'token_malformed'],
  ['JSON', () => '{"njwt":"x"}', 'token_malformed'],
  ['null bytes', () => Buffer.alloc(64), 'token_malformed'],
  ['bytes that are no UTF-8', () => Buffer.from([0xff, 0xfe, 0x80, 0xc0]), 'token_malformed'],
  ['the JSON serialization of a JWE', async () => JSON.stringify({ protected: (await make()).split('.')[0] }), 'token_malformed'],
  ['a signed token that is not encrypted', () => rawJws({ alg: 'RS256' }, claims, 'x'), 'token_malformed'],
  ['a byte order mark before it', async () => `\uFEFF${await make()}`, 'token_malformed'],
  ['a space before it', async () => ` ${await make()}`, 'token_malformed'],
  ['spaces inside', async () => (await make()).replace('.', ' .'), 'token_malformed'],
  ['a line end inside', async () => (await make()).replace('.', '.\r\n'), 'token_malformed'],
  ['a null byte inside', async () => (await make()).replace('.', '.\0'), 'token_malformed'],
  ['dots that are other characters', async () => (await make()).replaceAll('.', '\u2024'), 'token_malformed'],
  ['the other alphabet of base64, padded', async () => (await make()).split('.').map((part) => Buffer.from(part, 'base64url').toString('base64')).join('.'), 'token_malformed'],
  ['a sixth part', async () => `${await make()}.e30`, 'token_malformed'],
  ['two at once', async () => `${await make()}\n${await make()}`, 'token_malformed'],
  ['truncated by half', async () => (await make()).slice(0, 600), 'token_malformed'],
  ['truncated by some characters', async () => (await make()).slice(0, -6), 'token_undecryptable'],
  ['without a tag', async () => `${(await make()).split('.').slice(0, 4).join('.')}.`, 'token_malformed'],
  ['giant', () => 'a'.repeat(70_000), 'token_too_large'],
  ['beyond what the listener reads', () => 'a'.repeat(1_100_000), 'token_too_large'],
  ['giant but otherwise valid', attributes(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`a${i}`, 'x'.repeat(1_000)]))), 'token_too_large'],

  // The outer layer.
  ['a header that is no JSON', () => withHeader('\0\0\0'), 'token_malformed'],
  ['a header that is a list', () => withHeader('[]'), 'token_malformed'],
  ['a header that is a number', () => withHeader('1'), 'token_malformed'],
  ['a header with a byte order mark', () => withHeader(`\uFEFF${header({})}`), 'token_malformed'],
  ['a header that is no UTF-8', () => withHeader(Buffer.from('{"alg":"\xff"}', 'latin1')), 'token_malformed'],
  ['a header with two algorithms', () => withHeader(header({}).replace('{', '{"alg":"dir",')), 'token_malformed'],
  ['a header with the name of the prototype', () => withHeader(header({}).replace('{', '{"__proto__":{"alg":"dir"},')), 'token_malformed'],
  ['no key wrapping', () => withHeader(header({ alg: undefined })), 'token_algorithm'],
  ['key wrapping none', () => withHeader(header({ alg: 'none' })), 'token_algorithm'],
  ['a list of key wrappings', () => withHeader(header({ alg: ['RSA-OAEP'] })), 'token_algorithm'],
  ['key wrapping with a null byte', () => withHeader(header({ alg: 'RSA-OAEP\0' })), 'token_algorithm'],
  ['key wrapping in wide letters', () => withHeader(header({ alg: 'ＲＳＡ－ＯＡＥＰ' })), 'token_algorithm'],
  ['key wrapping RSA1_5', () => withHeader(header({ alg: 'RSA1_5' })), 'token_algorithm'],
  ['key wrapping A128KW', () => make({ jweHeader: { alg: 'A128KW' }, encryptionKey: new Uint8Array(16) }), 'token_algorithm'],
  ['key wrapping ECDH-ES+A128KW', () => make({ jweHeader: { alg: 'ECDH-ES+A128KW' }, encryptionKey: ec.publicKey }), 'token_algorithm'],
  ['key wrapping RSA-OAEP-256', () => make({ jweHeader: { alg: 'RSA-OAEP-256' } }), 'token_algorithm'],
  ['key wrapping dir', () => make({ jweHeader: { alg: 'dir' }, encryptionKey: new Uint8Array(32) }), 'token_algorithm'],
  ['key wrapping with a password', () => make({ jweHeader: { alg: 'PBES2-HS256+A128KW' }, encryptionKey: new Uint8Array(8) }), 'token_algorithm'],
  ['key wrapping with a password and a billion rounds', () => withHeader(header({ alg: 'PBES2-HS256+A128KW', p2c: 1e9, p2s: 'AAAA' })), 'token_algorithm'],
  ['the public key’s kind mistaken: RSA wrapping said to be ECDH-ES', () => withHeader(header({ alg: 'ECDH-ES' })), 'token_undecryptable'],
  ['ECDH-ES with a point that is not on the curve', () => withHeader(header({ alg: 'ECDH-ES', epk: { kty: 'EC', crv: 'P-256', x: base64(Buffer.alloc(32, 1)), y: base64(Buffer.alloc(32, 2)) } })), 'token_undecryptable'],
  ['ECDH-ES with a point on another curve', () => withHeader(header({ alg: 'ECDH-ES', epk: { kty: 'OKP', crv: 'X25519', x: base64(Buffer.alloc(32, 9)) } })), 'token_undecryptable'],
  ['content encryption A256GCM', () => make({ jweHeader: { enc: 'A256GCM' } }), 'token_algorithm'],
  ['content encryption A128GCM', () => make({ jweHeader: { enc: 'A128GCM' } }), 'token_algorithm'],
  ['a list of content encryptions', () => withHeader(header({ enc: ['A128CBC-HS256'] })), 'token_algorithm'],
  ['compressed', () => make({ jweHeader: { zip: 'DEF' } }), 'token_undecryptable'],
  ['an unknown critical header', () => withHeader(header({ crit: ['dwim'], dwim: true })), 'token_undecryptable'],
  ['encrypted for someone else', () => make({ encryptionKey: otherRsa.publicKey }), 'token_undecryptable'],
  ['encrypted for someone else of the other kind', () => make({ jweHeader: { alg: 'ECDH-ES' }, encryptionKey: otherEc.publicKey }), 'token_undecryptable'],
  ['encrypted for someone else, whose key it carries', () => make({ encryptionKey: otherRsa.publicKey, jweHeader: { ...outside, jku: 'http://127.0.0.1/', x5u: 'http://127.0.0.1/' } }), 'token_undecryptable'],
  ['a changed header', async () => withHeader(header({ kid: '../../etc/passwd' })), 'token_undecryptable'],
  ['a changed encrypted key', () => change(1), 'token_undecryptable'],
  ['a changed nonce', () => change(2), 'token_undecryptable'],
  ['a changed ciphertext', () => change(3), 'token_undecryptable'],
  ['a changed tag', () => change(4), 'token_undecryptable'],

  // Between the layers.
  ['a payload that is no JSON', () => make({ rawPayload: 'njwt' }), 'token_malformed'],
  ['a payload that is a list', () => make({ rawPayload: '["njwt"]' }), 'token_malformed'],
  ['a payload that is null', () => make({ rawPayload: 'null' }), 'token_malformed'],
  ['a payload without njwt', () => make({ rawPayload: '{}' }), 'token_malformed'],
  ['a payload with njwt twice', async () => make({ rawPayload: `{"njwt":"${rawJws({ alg: 'RS256' }, claims, 'x')}","njwt":"${rawJws({ alg: 'RS256' }, claims, 'y')}"}` }), 'token_malformed'],
  ['a payload with njwt by way of the prototype', () => make({ rawPayload: `{"__proto__":{"njwt":"${rawJws({ alg: 'RS256' }, claims, 'x')}"}}` }), 'token_malformed'],
  ['a number for the signed token', () => make({ njwt: 5 }), 'token_malformed'],
  ['a list with the signed token', () => make({ njwt: [rawJws({ alg: 'RS256' }, claims, 'x')] }), 'token_malformed'],
  ['another encrypted token in place of the signed one', async () => make({ njwt: await make() }), 'token_malformed'],
  ['nested twice', async () => make({ rawPayload: JSON.stringify({ njwt: JSON.stringify({ njwt: rawJws({ alg: 'RS256' }, claims, 'x') }) }) }), 'token_malformed'],
  ['the JSON serialization of a JWS', () => make({ njwt: JSON.stringify({ payload: base64(plain), signatures: [{ protected: base64('{"alg":"RS256"}'), signature: 'AAAA' }] }) }), 'token_malformed'],
  ['a group in place of the signed token', () => make({ njwt: { payload: base64(plain), protected: base64('{"alg":"RS256"}'), signature: 'AAAA' } }), 'token_malformed'],

  // The signature.
  ['alg none, no signature', () => make({ njwt: rawJws({ alg: 'none' }, claims) }), 'token_malformed'],
  ['alg none with something for a signature', () => make({ njwt: rawJws({ alg: 'none' }, claims, 'x') }), 'token_algorithm'],
  ['alg nOnE', () => make({ njwt: rawJws({ alg: 'nOnE' }, claims, 'x') }), 'token_algorithm'],
  ['no alg', () => make({ njwt: rawJws({ typ: 'JWT' }, claims, 'x') }), 'token_algorithm'],
  ['a list of algs', () => make({ njwt: rawJws({ alg: ['RS256'] }, claims, 'x') }), 'token_algorithm'],
  ['two algs', () => make({ njwt: `${base64('{"alg":"none","alg":"RS256"}')}.${base64(plain)}.AAAA` }), 'token_malformed'],
  ['HS256 with the RSA public key', () => make({ njwt: hs256(publicPem(rsa.publicKey)) }), 'token_algorithm'],
  ['HS256 with the EC public key', () => make({ njwt: hs256(publicPem(ec.publicKey)) }), 'token_algorithm'],
  ['HS256 with nothing for a key', () => make({ njwt: hs256('') }), 'token_algorithm'],
  ['PS256 with the right key', () => make({ njwt: pss() }), 'token_algorithm'],
  ['RS512 with the right key', () => make({ jwsHeader: { alg: 'RS512' } }), 'token_algorithm'],
  ['signed with another RSA key', signedByStranger({}), 'token_signature'],
  ['signed with another EC key', () => make({ jwsHeader: { alg: 'ES256' }, signingKey: otherEc.privateKey }), 'token_signature'],
  ['signed with a key it carries itself', signedByStranger(outside), 'token_signature'],
  ['signed with a key said to be found at an address', signedByStranger({ jku: 'http://127.0.0.1:1/jwks' }), 'token_signature'],
  ['signed with a certificate said to be found at an address', signedByStranger({ x5u: 'http://127.0.0.1:1/chain' }), 'token_signature'],
  ['signed with a certificate it carries itself', signedByStranger({ x5c: ['AAAA'] }), 'token_signature'],
  ['a key name that is a path', signedByStranger({ kid: '../../../../dev/null' }), 'token_signature'],
  ['a key name that is a query', signedByStranger({ kid: "' or 1=1 --" }), 'token_signature'],
  ['a key name that is a plugin’s', signedByStranger({ kid: 'yivi' }), 'token_signature'],
  ['an RSA signature said to be EC', () => make({ njwt: rawJws({ alg: 'ES256' }, claims, Buffer.alloc(256, 1)) }), 'token_signature'],
  ['an EC signature of zeros', () => make({ njwt: rawJws({ alg: 'ES256' }, claims, Buffer.alloc(64)) }), 'token_signature'],
  ['an unknown critical header of the signature', () => make({ njwt: rawJws({ alg: 'RS256', crit: ['exp'], exp: 1 }, claims, 'x') }), 'token_malformed'],
  ['an unencoded payload', () => make({ njwt: rawJws({ alg: 'RS256', b64: false, crit: ['b64'] }, claims, 'x') }), 'token_signature'],

  // Claims, all of them well signed.
  ['claims that are no JSON', raw('hello'), 'token_malformed'],
  ['claims that are a list', raw('[]'), 'token_malformed'],
  ['claims with a byte order mark', raw(`\uFEFF${plain}`), 'token_malformed'],
  ['claims that are no UTF-8', () => make({ rawBytes: Buffer.from(plain.replace('Willeke', 'Will\xe9'), 'latin1') }), 'token_malformed'],
  ['claims with a key twice', raw(plain.replace('{', '{"sub":"id-contact-attributes",')), 'token_malformed'],
  ['claims with a key twice, once in disguise', raw(plain.replace('{', '{"s\\u0075b":"id-contact-attributes",')), 'token_malformed'],
  ['claims by way of the prototype', raw(`{"__proto__":${plain}}`), 'token_malformed'],
  ['claims of twenty thousand brackets', raw('['.repeat(10_000) + ']'.repeat(10_000)), 'token_malformed'],
  ['expired', said({ exp: seconds - 60 }), 'token_expired'],
  ['expired in the last century', said({ exp: -1e9, iat: undefined }), 'token_expired'],
  ['no exp', said({ exp: undefined }), 'token_malformed'],
  ['exp a text', said({ exp: '99999999999' }), 'token_malformed'],
  ['exp null', said({ exp: null }), 'token_malformed'],
  ['exp a list', said({ exp: [seconds + 300] }), 'token_malformed'],
  ['exp not a number', raw(plain.replace(/"exp":\d+/, '"exp":NaN')), 'token_malformed'],
  ['exp beyond all numbers', raw(plain.replace(/"exp":\d+/, '"exp":1e999')), 'token_malformed'],
  ['exp in milliseconds', said({ exp: now + 300_000 }), 'token_lifetime'],
  ['exp next year', said({ exp: seconds + 31_536_000 }), 'token_lifetime'],
  ['made long ago for a long time', said({ iat: seconds - 86_400 }), 'token_lifetime'],
  ['made tomorrow', said({ iat: seconds + 86_400, exp: seconds + 86_700 }), 'token_not_yet_valid'],
  ['iat a text', said({ iat: String(seconds) }), 'token_malformed'],
  ['not yet valid', said({ nbf: seconds + 120 }), 'token_not_yet_valid'],
  ['no sub', said({ sub: undefined }), 'token_subject'],
  ['a sub of another token of the protocol', said({ sub: 'id-contact-continuation' }), 'token_subject'],
  ['sub a list', said({ sub: ['id-contact-attributes'] }), 'token_subject'],
  ['sub with a null byte', said({ sub: 'id-contact-attributes\0' }), 'token_subject'],
  ['sub in other letters that look the same', said({ sub: 'id-contact-\u0430ttributes' }), 'token_subject'],
  ['no status', said({ status: undefined }), 'token_status'],
  ['another status', said({ status: 'cancelled' }), 'token_status'],
  ['status true', said({ status: true }), 'token_status'],
  ['status in capitals', said({ status: 'SUCCES' }), 'token_status'],
  ['attributes a list', attributes(['a']), 'token_attributes'],
  ['attributes a text', attributes('name=Willeke'), 'token_attributes'],
  ['an attribute that is a number', attributes({ age: 30 }), 'token_attributes'],
  ['an attribute that is true', attributes({ adult: true }), 'token_attributes'],
  ['an attribute that is null', attributes({ age: null }), 'token_attributes'],
  ['an attribute that is a group', attributes({ a: { b: 'c' } }), 'token_attributes'],
  ['an attribute that is a list', attributes({ a: ['b'] }), 'token_attributes'],
  ['an attribute without a name', attributes({ '': 'x' }), 'token_attributes'],
  ['an attribute with the name of the prototype', raw(plain.replace('"name"', '"__proto__"')), 'token_malformed'],
  ['an attribute with the name of the constructor', attributes({ constructor: 'x' }), 'token_attributes'],
  ['an attribute twice', raw(plain.replace('"name"', '"name":"Truus","name"')), 'token_malformed'],
  ['an attribute whose name has a null byte', attributes({ 'name\0': 'x' }), 'token_attributes'],
  ['an attribute whose name turns the direction of writing', attributes({ '\u202Eeman': 'x' }), 'token_attributes'],
  ['an attribute with a long name', attributes({ ['n'.repeat(257)]: 'x' }), 'token_attributes'],
  ['an attribute with a null byte', attributes({ name: 'Willeke\0' }), 'token_attributes'],
  ['an attribute with an escape sequence', attributes({ name: '\u001b[2J' }), 'token_attributes'],
  ['an attribute that turns the direction of writing', attributes({ name: 'Willeke \u202Ededi' }), 'token_attributes'],
  ['an attribute with half a character', raw(plain.replace('Willeke', '\\ud800')), 'token_attributes'],
  ['a very long attribute', attributes({ a: 'x'.repeat(9_000) }), 'token_attributes'],
  ['101 attributes', attributes(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`a${i}`, 'x']))), 'token_attributes'],
  ['a session_url that is no address', said({ session_url: 'plugin' }), 'token_malformed'],
  ['a session_url that is a number', said({ session_url: 1 }), 'token_malformed'],
  ['a session_url for a script', said({ session_url: 'javascript:alert(1)' }), 'token_malformed'],
  ['a session_url for a script in disguise', said({ session_url: 'java\nscript:alert(1)' }), 'token_malformed'],
  ['a session_url for a file', said({ session_url: 'file:///etc/passwd' }), 'token_malformed'],
  ['a session_url with data', said({ session_url: 'data:text/html,x' }), 'token_malformed'],
  ['a session_url with a password', said({ session_url: 'https://root:secret@plugin.example/' }), 'token_malformed'],
  ['a session_url with a header in it', said({ session_url: 'https://plugin.example/\r\nHost: other' }), 'token_malformed'],
  ['a very long session_url', said({ session_url: `https://plugin.example/${'x'.repeat(3_000)}` }), 'token_malformed'],
];

// One session, whose address is known to the attacker, meets all of them.
let core: ServedCore;
let attrUrl = '';
let code = '';

const send = (body: string | Uint8Array): Promise<Response> => fetch(attrUrl, { method: 'POST', body: body as RequestInit['body'] & (string | Uint8Array), headers: { 'content-type': 'application/jwt' } });

beforeAll(async () => {
  const config = testConfig({}, 'RSA', [{ type: 'EC', key: privatePem(ec.privateKey) }]);
  core = await serveCore(config, () => now);
  const started = await fetch(`${core.base}/start_communication`, { method: 'POST', body: '{"purpose":"report_move"}', headers: { 'content-type': 'application/json' } });
  const answer = (await started.json()) as { client_url: string; attr_url: string };
  attrUrl = answer.attr_url;
  code = answer.client_url.split(',')[1] ?? '';
});
afterAll(() => core.stop());

it.each(hostile)('%s', async (_name, build, expected) => {
  const body = await build();
  const answer = await send(body);
  const { error, message } = (await answer.json()) as { error: string; message: string };
  expect([answer.status, error]).toEqual([400, expected]);
  expect(message).toMatch(/^[A-Z][^{}"]+\.$/);
  expect(await core.tenants[0]?.vault.awaits(attrUrl.slice(-43))).toBe(true);
});

it('all have a name of their own', () => {
  expect(new Set(hostile.map(([name]) => name)).size).toBe(hostile.length);
  expect(hostile.length).toBeGreaterThan(40);
});

it('and after all of them the session takes its result, once', async () => {
  const vault = core.tenants[0]!.vault;
  expect((await send(await make())).status).toBe(200);
  expect((await send(await make())).status).toBe(404);
  const claim = await vault.claim(code, 'call-1');
  if (!claim.ok) throw new Error('not claimed');
  expect(claim.identity).toBe('verified');
  expect((await vault.reveal(claim.sessionId, 'call-1')).attributes).toEqual({ name: 'Willeke' });
});

it('nothing of them reached the log but their codes', () => {
  const log = core.lines.join('');
  expect(log).toContain('result accepted');
  for (const code of new Set(hostile.map(([, , expected]) => expected))) expect(log).toContain(`"refused":"${code}"`);
  for (const secret of ['Willeke', 'passwd', attrUrl.slice(-43), code]) expect(log).not.toContain(secret);
});
