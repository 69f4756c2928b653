import type { z } from 'zod';
import { unwrap } from './problems.js';

/** A configuration of which any part may be missing because it did not hold. */
export type Salvaged<T> = T extends readonly (infer Item)[]
  ? (Salvaged<Item> | undefined)[]
  : T extends object
    ? { [K in keyof T]?: Salvaged<T[K]> }
    : T;

/**
 * What can be understood of an input that breaks the schema: each part that holds by itself, undefined for the rest.
 * So the checks that compare several keys still run, and one mistake does not hide the others.
 */
export function salvage<T>(schema: z.ZodType<T>, input: unknown): Salvaged<T> | undefined {
  return salvageAny(schema, input) as Salvaged<T> | undefined;
}

function salvageAny(schema: z.core.$ZodType, input: unknown): unknown {
  const whole = (schema as z.ZodType).safeParse(input);
  if (whole.success) return whole.data;
  const def = unwrap(schema)._zod.def as { type: string; shape?: Record<string, z.core.$ZodType>; element?: z.core.$ZodType };
  if (def.shape && input !== null && typeof input === 'object' && !Array.isArray(input)) {
    const given = input as Record<string, unknown>;
    return Object.fromEntries(Object.entries(def.shape).map(([key, part]) => [key, salvageAny(part, given[key])]));
  }
  if (def.element && Array.isArray(input)) {
    const { element } = def;
    return input.map((item) => salvageAny(element, item));
  }
  return undefined;
}
