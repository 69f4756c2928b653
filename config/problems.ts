import type { z } from 'zod';
import { closest } from './closest.js';

/** One thing wrong with a configuration: which key, what is wrong with its value, and what to do about it. */
export interface Problem {
  readonly key: string;
  readonly fault: string;
  readonly fix: string;
}

/** Everything that is wrong with a configuration. Its message is one line for each problem and holds no secret. */
export class ConfigError extends Error {
  readonly code = 'config_invalid';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(printProblem).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `key: fault. fix.` on one line. */
export function printProblem(problem: Problem): string {
  const fix = /[.!?]$/.test(problem.fix) ? problem.fix : `${problem.fix}.`;
  return `${problem.key}: ${problem.fault}. ${fix}`;
}

/** A key as people write it: `agents[0].phone`. */
export function keyOf(path: readonly PropertyKey[]): string {
  const key = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${printable(String(part))}`)).join('');
  return key.replace(/^\./, '') || '(whole file)';
}

/** Unknown keys come from the file as they are: shortened and stripped of anything a terminal would act on. */
function printable(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?');
  return plain.length > 60 ? `${plain.slice(0, 57)}...` : plain;
}

/** The innermost schema, without the wrappers for defaults and optionality. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const def = schema._zod.def as { type: string; innerType?: z.core.$ZodType; in?: z.core.$ZodType };
  if (def.innerType) return unwrap(def.innerType);
  return def.type === 'pipe' && def.in ? unwrap(def.in) : schema;
}

/** The schema that stands at a path, or undefined when the path leads to nothing that is known. */
function schemaAt(root: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  let current: z.core.$ZodType | undefined = root;
  for (const part of path) {
    if (!current) return undefined;
    const def = unwrap(current)._zod.def as { shape?: Record<string, z.core.$ZodType>; element?: z.core.$ZodType };
    current = typeof part === 'number' ? def.element : def.shape?.[String(part)];
  }
  return current;
}

function knownKeys(root: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const at = schemaAt(root, path);
  const def = at ? (unwrap(at)._zod.def as { shape?: Record<string, unknown> }) : {};
  return Object.keys(def.shape ?? {});
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let current = input;
  for (const part of path) {
    if (current === null || typeof current !== 'object') return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

function kind(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'object':
      return 'a group of keys';
    case 'string':
      return 'text';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    default:
      return 'of no usable kind';
  }
}

const WANTED: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of keys',
};

function unknownKeys(keys: readonly string[], path: readonly PropertyKey[], root: z.core.$ZodType): Problem[] {
  const known = knownKeys(root, path);
  return keys.map((key) => {
    const near = closest(key, known);
    const fix = near ? `Did you mean ${near}?` : `Remove it; known here: ${known.join(', ')}`;
    return { key: keyOf([...path, key]), fault: 'is not a known key', fix };
  });
}

function wrongType(issue: z.core.$ZodIssue & { code: 'invalid_type' }, value: unknown, described: string | undefined): Omit<Problem, 'key'> {
  if (value === undefined) return { fault: 'is missing', fix: described ? `Give it: ${described}` : 'Give it' };
  const wanted = WANTED[issue.expected] ?? issue.expected;
  if (issue.expected === 'int' && typeof value === 'number') return { fault: `is ${value}, not a whole number`, fix: 'Write a whole number' };
  const quoted = issue.expected === 'string' && typeof value === 'number' ? ', in quotes, because a number loses its leading zeros and its plus' : '';
  return { fault: `is ${kind(value)}, not ${wanted}`, fix: `Write ${wanted}${quoted}` };
}

function bounds(issue: z.core.$ZodIssue & { code: 'too_big' | 'too_small' }, value: unknown): Omit<Problem, 'key'> {
  const most = issue.code === 'too_big';
  const limit = most ? issue.maximum : issue.minimum;
  const side = most ? 'most' : 'least';
  if (typeof value === 'number') return { fault: `is ${value}, which is ${most ? 'above' : 'below'} ${limit}`, fix: `Write a number of at ${side} ${limit}` };
  if (Array.isArray(value)) return { fault: `has ${value.length} entries`, fix: `Give at ${side} ${limit}` };
  const length = typeof value === 'string' ? value.length : 0;
  return { fault: length === 0 ? 'is empty' : `has ${length} characters`, fix: `Write at ${side} ${limit} characters` };
}

/** Turns what zod found into problems. Values are quoted only when they are numbers: text might be a secret. */
export function toProblems(issues: readonly z.core.$ZodIssue[], input: unknown, root: z.core.$ZodType): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const value = valueAt(input, issue.path);
    const key = keyOf(issue.path);
    const at = schemaAt(root, issue.path) as z.ZodType | undefined;
    const described = at?.description;
    switch (issue.code) {
      case 'unrecognized_keys':
        return unknownKeys(issue.keys, issue.path, root);
      case 'invalid_type':
        return [{ key, ...wrongType(issue, value, described) }];
      case 'too_big':
      case 'too_small':
        return [{ key, ...bounds(issue, value) }];
      case 'invalid_value': {
        const choices = issue.values.map(String);
        if (value === undefined) return [{ key, fault: 'is missing', fix: `Write one of ${choices.join(', ')}` }];
        const near = typeof value === 'string' ? closest(value, choices) : undefined;
        return [{ key, fault: 'is none of the known words', fix: `Write one of ${choices.join(', ')}${near ? `; did you mean ${near}?` : ''}` }];
      }
      case 'custom': {
        const fix: unknown = issue.params?.fix;
        return [{ key, fault: issue.message, fix: typeof fix === 'string' ? fix : 'Correct it' }];
      }
      default: {
        const fault = issue.code === 'invalid_format' && issue.message.startsWith('is ') ? issue.message : 'has a form that is not understood';
        return [{ key, fault, fix: described ? `It should be: ${described}` : 'Correct it' }];
      }
    }
  });
}
