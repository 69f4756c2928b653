/** What a caller is promised who is to be called back: which numbers may be called, and the short code by which they will be known. */
import { randomInt, timingSafeEqual } from 'node:crypto';
import type { Tenant } from '../../config/index.js';
import { shortCodeLength, SpokenCode, SpokenNumber } from '../../ivr/index.js';

/** A promise that could not be kept by then is none any more, in ms. */
export const longestPromiseMs = 2 * 3_600_000;
/** Before the next attempt to reach somebody who did not answer, in ms. */
export const nextAttemptMs = 3 * 60_000;
/** The same when it was only not certain that no other node calls them, in ms. */
export const soonAgainMs = 5_000;

export function newShortCode(): SpokenCode {
  return new SpokenCode(String(randomInt(10 ** shortCodeLength)).padStart(shortCodeLength, '0'));
}

/** In the same time whatever was typed. */
export function isSameCode(typed: SpokenCode, told: SpokenCode): boolean {
  const [given, wanted] = [Buffer.from(typed.reveal()), Buffer.from(told.reveal())];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** Whether the site lets us call this number. Its own numbers are not: that would be a call to ourselves. */
export function mayCallBack(number: SpokenNumber, { outside, services }: Pick<Tenant, 'outside' | 'services'>): boolean {
  const text = number.reveal();
  const isOurs = services.some(({ numbers }) => numbers.includes(text));
  return !isOurs && /^\+?[0-9]{6,15}$/.test(text) && (outside?.callBackTo.some((beginning) => text.startsWith(beginning)) ?? false);
}

/** The number a caller calls from, if it is one that can be read out. */
export function numberOf(text: string | undefined): SpokenNumber | undefined {
  return text !== undefined && /^\+?[0-9]{3,15}$/.test(text) ? new SpokenNumber(text) : undefined;
}
