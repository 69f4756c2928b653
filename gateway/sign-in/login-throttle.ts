import ipaddr from 'ipaddr.js';

export interface LoginThrottleOptions {
  /** Tries without any delay under one name. */
  freeTries?: number;
  /** Tries without any delay from one address. More: a whole office, or a proxy, can be one address. */
  freeTriesPerAddress?: number;
  firstDelayMs?: number;
  maxDelayMs?: number;
  /** After this long without a try, a key is forgotten. */
  forgetAfterMs?: number;
  maxKeys?: number;
  now?: () => number;
}

interface Tries {
  count: number;
  lastAt: number;
  nextAt: number;
}

/**
 * Makes guessing passwords slow: every failed try doubles the wait, per network address and per name. An address from
 * which the agent has logged in before is not held up by what strangers try under the agent's name, so nobody can lock
 * an agent out from elsewhere.
 */
export class LoginThrottle {
  readonly #tries = new Map<string, Tries>();
  readonly #trusted = new Set<string>();
  readonly #freeTries: number;
  readonly #freeTriesPerAddress: number;
  readonly #firstDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #forgetAfterMs: number;
  readonly #maxKeys: number;
  readonly #now: () => number;

  constructor(options: LoginThrottleOptions = {}) {
    this.#freeTries = options.freeTries ?? 5;
    this.#freeTriesPerAddress = options.freeTriesPerAddress ?? 60;
    this.#firstDelayMs = options.firstDelayMs ?? 1000;
    this.#maxDelayMs = options.maxDelayMs ?? 60_000;
    this.#forgetAfterMs = options.forgetAfterMs ?? 15 * 60_000;
    this.#maxKeys = options.maxKeys ?? 10_000;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Counts a try before the password is looked at, so that tries side by side count too.
   * @returns how long to wait first, in milliseconds; 0: go ahead
   */
  admit(name: string, address: string): number {
    const keys = this.#keysOf(name, address);
    const now = this.#now();
    let waitMs = 0;
    for (const key of keys) waitMs = Math.max(waitMs, (this.#tries.get(key)?.nextAt ?? 0) - now);
    if (waitMs > 0) return waitMs;
    for (const key of keys) this.#count(key, now);
    return 0;
  }

  /** The password was right. */
  succeeded(name: string, address: string): void {
    for (const key of this.#keysOf(name, address)) this.#tries.delete(key);
    const pair = pairOf(name, address);
    this.#trusted.delete(pair);
    this.#trusted.add(pair);
    dropOldest(this.#trusted, this.#maxKeys);
  }

  #keysOf(name: string, address: string): string[] {
    const pair = pairOf(name, address);
    return [`address ${networkOf(address)}`, this.#trusted.has(pair) ? `pair ${pair}` : `name ${name}`];
  }

  #count(key: string, now: number): void {
    const before = this.#tries.get(key);
    const count = before && now - before.lastAt < this.#forgetAfterMs ? before.count + 1 : 1;
    const over = count - (key.startsWith('address ') ? this.#freeTriesPerAddress : this.#freeTries);
    const delayMs = over < 0 ? 0 : Math.min(this.#maxDelayMs, this.#firstDelayMs * 2 ** Math.min(over, 20));
    // Deleted first so that the map stays in order of use and the oldest is the one to drop.
    this.#tries.delete(key);
    this.#tries.set(key, { count, lastAt: now, nextAt: now + delayMs });
    dropOldest(this.#tries, this.#maxKeys);
  }
}

function dropOldest(keys: { size: number; keys(): IterableIterator<string>; delete(key: string): boolean }, max: number): void {
  if (keys.size <= max) return;
  const oldest = keys.keys().next();
  if (!oldest.done) keys.delete(oldest.value);
}

function pairOf(name: string, address: string): string {
  return `${networkOf(address)} ${name}`;
}

/** One subscriber usually owns a whole IPv6 /64, so that is what counts as one address. */
function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return parsed.toByteArray().slice(0, 8).join('.');
}
