import { randomUUID } from 'node:crypto';
import { GuessingOdds } from '../../../config/index.js';
import type { AccountLimits, Accounts, Turn } from '../../../core-bridge/guessing/accounts.js';

/** The defaults of the configuration, as the arithmetic takes them. */
export const settings = { digits: 10, maxDigits: 16, exposureSeconds: 3_660, windowSeconds: 86_400, freeInTotal: 10, paceSeconds: 60 };

export function limitsOf(changed: Partial<typeof settings> & Partial<Pick<AccountLimits, 'freePerNumber' | 'freePerTrunk'>> = {}): AccountLimits {
  const { freePerNumber = 1_000, freePerTrunk = 1_000, ...rest } = changed;
  const all = { ...settings, ...rest };
  return { odds: new GuessingOdds(all), windowMs: all.windowSeconds * 1_000, freePerNumber, freePerTrunk, codesLastMs: all.exposureSeconds * 1_000 };
}

export function turn(of: Partial<Turn> = {}): Turn {
  return { id: randomUUID(), caller: randomUUID(), trunk: 'carrier', typedDigits: 10, ...of };
}

/** Makes wrong guesses, each from a number of its own, as long as they are let through now. @returns how many were */
export async function guess(accounts: Accounts, most: number, of: Partial<Turn> = {}): Promise<number> {
  for (let made = 0; made < most; made += 1) {
    const one = turn(of);
    if (!(await accounts.take(one, 0)).taken) {
      await accounts.leave(one);
      return made;
    }
    await accounts.settle(one, 'wrong');
  }
  return most;
}
