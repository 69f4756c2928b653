import type { Problem } from './problems.js';
import type { SeenKey } from './resolve/reader.js';

/**
 * Key pairs that everybody has: the reference core, its plugins and Verder Helpen print them in their sample
 * configurations. SHA-256 of the public half (SubjectPublicKeyInfo).
 */
const PUBLISHED = new Set([
  'f39b64a429a25336ecffbefc68225ee64750481adca13524cd30d7d599bdf0f1', // RSA
  'e9615783bb954f387008b489cb1512ca858db614f25ec9ade86ad16956fad0f0', // EC
]);

/**
 * Published keys in a configuration, of which anyone can make use.
 * @param allowed `unsafeSampleKeys` of the file; in production nothing allows them
 */
export function unsafeKeys(keys: readonly SeenKey[], allowed: boolean, nodeEnv: string | undefined): Problem[] {
  const production = nodeEnv === 'production';
  if (allowed && !production) return [];
  const fix = production ? 'Give a key of your own: with this one anyone can forge or read results' : 'Give a key of your own, or write unsafeSampleKeys: true to try the gateway with the sample configurations of the reference core';
  const problems = keys.filter(({ fingerprint }) => PUBLISHED.has(fingerprint)).map(({ key }) => ({ key, fault: 'is a published sample key', fix }));
  if (!allowed) return problems;
  return [{ key: 'unsafeSampleKeys', fault: 'is true while NODE_ENV is production', fix: 'Remove it, and give keys of your own' }, ...problems];
}
