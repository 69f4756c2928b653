import { createHmac, randomInt } from 'node:crypto';

/**
 * A new code of `digits` digits, each value equally likely, from the system's random source. The first digit is 1-9,
 * so that a leading 0 can mean something else to the dialogue.
 */
export function generateCode(digits: number): string {
  let code = String(randomInt(1, 10));
  while (code.length < digits) code += String(randomInt(0, 10));
  return code;
}

/**
 * The keyed hash (HMAC-SHA256, base64url) under which a code is stored. Without the key, ten digits could be
 * recovered from a plain hash in seconds.
 */
export function hashCode(code: string, key: string): string {
  return createHmac('sha256', key).update('code:').update(code).digest('base64url');
}
