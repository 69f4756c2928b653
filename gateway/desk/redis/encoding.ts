import { z } from 'zod';
import { seatStates } from '../contract.js';
import type { DeskState } from '../state.js';

/** Part of the key: nodes of a version that writes another shape have a desk of their own while a site is updated. */
export const SHAPE = 1;

const ms = z.number();
const skills = z.array(z.string());

const inLine = z.object({
  node: z.string(),
  service: z.string(),
  skills,
  since: ms,
  rank: ms,
  wanted: z.object({ agent: z.string(), until: ms }).exactOptional(),
});

const held = z.object({
  callId: z.string(),
  node: z.string(),
  service: z.string().exactOptional(),
  offer: z.string(),
  matchedAt: ms,
  answeredAt: ms.exactOptional(),
  agreeBy: ms.exactOptional(),
  place: inLine.exactOptional(),
  endsAt: ms.exactOptional(),
});

const seat = z.object({
  skills,
  node: z.string().exactOptional(),
  asks: z.string().exactOptional(),
  silent: z.literal(true).exactOptional(),
  unknownTo: z.array(z.string()).exactOptional(),
  available: z.boolean(),
  idleSince: ms,
  misses: z.number(),
  restsUntil: ms,
  wrapUpUntil: ms,
  state: z.enum(seatStates),
  since: ms,
  call: held.exactOptional(),
});

const mapOf = <Value extends z.ZodType>(value: Value) => z.array(z.tuple([z.string(), value]));

const stored = z.object({
  at: ms,
  settlesAt: ms,
  calls: mapOf(inLine),
  seats: mapOf(seat),
  nodes: mapOf(z.object({ until: ms, seq: z.number() })),
  handled: mapOf(z.array(z.tuple([ms, ms]))),
});

export function encodeState({ at, settlesAt, calls, seats, nodes, handled }: DeskState): string {
  return JSON.stringify({ at, settlesAt, calls: [...calls], seats: [...seats], nodes: [...nodes], handled: [...handled] });
}

/** @throws when the text is not what a node of this version writes */
export function decodeState(text: string): DeskState {
  const { at, settlesAt, calls, seats, nodes, handled } = stored.parse(JSON.parse(text));
  return { at, settlesAt, calls: new Map(calls), seats: new Map(seats), nodes: new Map(nodes), handled: new Map(handled) };
}
