import type { Problem } from './problems.js';

/** A value beside the key it stands at; undefined where it could not be understood. */
export interface Named {
  readonly key: string;
  readonly value: string | undefined;
}

/** A problem for each value that stands in a list for the second time. `shown` is false where values stay unprinted. */
export function repeats(list: readonly Named[], what: string, fix: string, shown = true): Problem[] {
  const firstKeys = new Map<string, string>();
  return list.flatMap(({ key, value }): Problem[] => {
    if (value === undefined) return [];
    const first = firstKeys.get(value);
    if (first === undefined) {
      firstKeys.set(value, key);
      return [];
    }
    return [{ key, fault: `repeats ${what}${shown ? ` ${JSON.stringify(value)}` : ''} of ${first}`, fix }];
  });
}

/** A problem for each name that is given twice within a list of groups. */
export function repeatedNames(list: readonly ({ name?: string | undefined } | undefined)[] | undefined, path: string): Problem[] {
  const named = (list ?? []).map((item, index) => ({ key: `${path}[${index}].name`, value: item?.name }));
  return repeats(named, 'the name', 'Give each a name of its own');
}
