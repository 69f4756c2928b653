import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

/** A key, or what is wrong with the PEM it should come from. Neither ever holds key text. */
export type KeyOutcome = { readonly key: KeyObject } | { readonly fault: string; readonly fix: string };

const MIN_RSA_BITS = 2048;

/**
 * Reads one of our private keys from PEM text.
 * @param type what the configuration says it is: RSA of 2048 bits or more, or EC on P-256.
 */
export function readPrivateKey(pem: string, type: 'RSA' | 'EC'): KeyOutcome {
  if (/BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem)) return { fault: 'is protected with a passphrase', fix: 'Give the key without one, in a file that only the gateway may read' };
  if (/BEGIN (PUBLIC KEY|CERTIFICATE)/.test(pem)) return { fault: 'is a public key', fix: 'Give the private key' };
  try {
    return fitting(createPrivateKey({ key: pem, format: 'pem' }), type);
  } catch {
    return { fault: 'is not a private key in PEM form', fix: 'Give PEM text that begins with -----BEGIN PRIVATE KEY-----' };
  }
}

/** Reads someone else's public key (or certificate) from PEM text; a private key is refused, as it should not be here. */
export function readPublicKey(pem: string, type: 'RSA' | 'EC'): KeyOutcome {
  if (/PRIVATE KEY/.test(pem)) return { fault: 'is a private key', fix: 'Give the public key, and treat that private key as leaked' };
  try {
    return fitting(createPublicKey({ key: pem, format: 'pem' }), type);
  } catch {
    return { fault: 'is not a public key in PEM form', fix: 'Give PEM text that begins with -----BEGIN PUBLIC KEY-----' };
  }
}

function fitting(key: KeyObject, type: 'RSA' | 'EC'): KeyOutcome {
  const wanted = type === 'RSA' ? 'rsa' : 'ec';
  if (key.asymmetricKeyType !== wanted) return { fault: `holds a key of type ${key.asymmetricKeyType ?? 'unknown'}, not ${type}`, fix: 'Correct the type, or give the right key' };
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (type === 'RSA' && (modulusLength ?? 0) < MIN_RSA_BITS) return { fault: `is an RSA key of ${modulusLength ?? 0} bits`, fix: `Use one of ${MIN_RSA_BITS} bits or more` };
  if (type === 'EC' && namedCurve !== 'prime256v1') return { fault: `is an EC key on ${namedCurve ?? 'an unknown curve'}`, fix: 'Use one on P-256 (prime256v1)' };
  return { key };
}
