import type { RevealedIdentity } from '../../core-bridge/vault/vault.js';

/** `pbdf.gemeente.personalData.bsn` -> `bsn`, `represented_bsn` -> `bsn`. */
const lastPart = (name: string): string => name.slice(Math.max(name.lastIndexOf('.'), name.lastIndexOf('_'), name.lastIndexOf('-')) + 1);

/**
 * Whether an attribute is one of those that are shown only when asked for. Names are compared without case; a listed name
 * also means the last part of a longer one. Too much masked costs a click, too little cannot be taken back.
 */
export function isMasked(attribute: string, masked: readonly string[]): boolean {
  const name = attribute.toLowerCase();
  return masked.some((listed) => {
    const plain = listed.toLowerCase();
    return plain === name || plain === lastPart(name) || plain === name.slice(name.lastIndexOf('.') + 1);
  });
}

/**
 * Takes the values of masked attributes out of an identity, before it goes to a screen.
 *
 * @param masked names as the configuration lists them
 * @returns the identity without them, and the names of those it had
 */
export function withoutMasked(identity: RevealedIdentity, masked: readonly string[]): { identity: RevealedIdentity; masked: string[] } {
  const entries = Object.entries(identity.attributes);
  return {
    identity: { ...identity, attributes: Object.fromEntries(entries.filter(([name]) => !isMasked(name, masked))) },
    masked: entries.map(([name]) => name).filter((name) => isMasked(name, masked)),
  };
}
