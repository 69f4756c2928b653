/**
 * Giving a call to the PBX's queue: the reference under which the PBX carries it, and how that is written into the INVITE.
 * The reference says nothing about anybody and opens nothing by itself: who follows it has to be logged in, and sees the
 * caller only when the call is on their own phone.
 */
import { randomBytes } from 'node:crypto';
import type { Tenant } from '../../config/index.js';

type HandOver = NonNullable<Tenant['services'][number]['handOver']>;

/** Letters and digits that every PBX passes on unchanged; 36^24 is more than 2^124. */
const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const referenceLength = 24;
export const referencePattern = /^[a-z0-9]{24}$/;

export function newReference(): string {
  let reference = '';
  while (reference.length < referenceLength) {
    // Bytes beyond the last whole multiple of 36 would favour the first letters.
    for (const byte of randomBytes(referenceLength)) if (byte < 252 && reference.length < referenceLength) reference += alphabet[byte % 36];
  }
  return reference;
}

/**
 * @param popUrl address that shows the caller's data to the agent who has the call
 */
export function referenceHeaders({ userToUser, callInfo, header }: HandOver, reference: string, popUrl: string): Record<string, string> {
  return {
    // 04: what follows are characters (ITU-T Q.931 table 4-26), in hexadecimal as RFC 7433 section 4.1 has it.
    ...(userToUser && { 'User-to-User': `04${Buffer.from(reference, 'latin1').toString('hex')};encoding=hex` }),
    ...(callInfo && { 'Call-Info': `<${popUrl}>;purpose=info` }),
    ...(header !== undefined && { [header]: reference }),
  };
}

/** Handed-over calls by their reference, on this node. */
export class References<T> {
  private readonly open = new Map<string, T>();

  /** @returns the reference; `close` ends it */
  add(value: T): string {
    const reference = newReference();
    this.open.set(reference, value);
    return reference;
  }

  get(reference: string): T | undefined {
    return this.open.get(reference);
  }

  close(reference: string): void {
    this.open.delete(reference);
  }

  get size(): number {
    return this.open.size;
  }
}
