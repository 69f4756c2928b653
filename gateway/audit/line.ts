/**
 * One line of the trail.
 *
 *   {"n":7,"at":"2026-11-25T16:24:22.123Z","prev":"<hash of line 6>","act":"shown", ... ,"key":"1a2b3c4d","mac":"<signature>"}
 *
 * The hash of a line is SHA-256 over its bytes without the line's end, so that `head -n 6 | tail -n 1 | tr -d '\n' |
 * sha256sum` is enough to check it. The signature is HMAC-SHA256 over the bytes before `,"mac"`.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Secret } from '../../config/secret.js';
import type { Act } from './acts.js';

/** What the first line of all names as the hash before it. */
export const noHash = '0'.repeat(64);

export const hashOf = (line: Buffer | string): string => createHash('sha256').update(line).digest('hex');

/** Signs lines, and knows its own signatures again. */
export class Signer {
  /** Names the key without telling it. */
  readonly id: string;

  constructor(private readonly key: Secret) {
    this.id = createHmac('sha256', key.reveal()).update('audit key id').digest('hex').slice(0, 8);
  }

  sign(text: string | Buffer): string {
    return createHmac('sha256', this.key.reveal()).update(text).digest('hex');
  }
}

/** The text of a line, without its end. */
export function writeLine(place: { n: number; at: number; prev: string }, act: Act, signer?: Signer): string {
  const text = JSON.stringify({ n: place.n, at: new Date(place.at).toISOString(), prev: place.prev, ...act });
  if (!signer) return text;
  const signed = `${text.slice(0, -1)},"key":"${signer.id}"`;
  return `${signed},"mac":"${signer.sign(signed)}"}`;
}

const lineSchema = z.looseObject({ n: z.int().min(1), at: z.iso.datetime(), prev: z.string().regex(/^[0-9a-f]{64}$/), act: z.string().min(1).max(40) });
export type Line = z.infer<typeof lineSchema>;

/** Undefined when these bytes are no line of a trail. */
export function readLine(bytes: Buffer): Line | undefined {
  try {
    // Bytes that are no UTF-8 would be read as something else than they are.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const held = lineSchema.safeParse(JSON.parse(text));
    return held.success ? held.data : undefined;
  } catch {
    return undefined;
  }
}

const signature = /,"mac":"([0-9a-f]{64})"\}$/;
const keyId = /,"key":"([0-9a-f]{8})"$/;

/** Whether a line carries a signature, and one that one of these signers made. */
export function checkSignature(bytes: Buffer, signers: readonly Signer[]): 'none' | 'right' | 'wrong' | 'unknownKey' {
  const tail = bytes.subarray(-120).toString('latin1');
  const mac = signature.exec(tail);
  if (!mac) return 'none';
  const signed = bytes.subarray(0, bytes.length - mac[0].length);
  const signer = signers.find(({ id }) => id === keyId.exec(tail.slice(0, -mac[0].length))?.[1]);
  if (!signer) return 'unknownKey';
  return timingSafeEqual(Buffer.from(signer.sign(signed), 'hex'), Buffer.from(mac[1]!, 'hex')) ? 'right' : 'wrong';
}
