import { createHmac, randomInt } from 'node:crypto';
import { checkDigitOf } from './check-digit.js';

/**
 * A new code of `typedDigits` digits, the last one its check digit. All codes are equally likely and come from the
 * system's random source. The first digit is 1-9, so that a leading 0 can mean something else to the dialogue.
 */
export function generateCode(typedDigits: number): string {
  let digits = String(randomInt(1, 10));
  while (digits.length < typedDigits - 1) digits += String(randomInt(0, 10));
  return digits + checkDigitOf(digits);
}

/**
 * The keyed hash (HMAC-SHA256, base64url) under which a code is stored. Without the key, ten digits could be
 * recovered from a plain hash in seconds.
 */
export function hashCode(code: string, key: string): string {
  return createHmac('sha256', key).update('code:').update(code).digest('base64url');
}
