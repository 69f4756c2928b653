/**
 * Digits in groups of three and four, as people read, remember and type them; the fours come last. Ten are 3-3-4, eight
 * 4-4, sixteen 4-4-4-4.
 */
export function grouped(digits: string): string[] {
  const count = Math.max(1, Math.ceil(digits.length / 4));
  const size = Math.floor(digits.length / count);
  const larger = digits.length % count;
  const groups: string[] = [];
  for (let index = 0, from = 0; index < count; index += 1) {
    const length = size + (index >= count - larger ? 1 : 0);
    groups.push(digits.slice(from, from + length));
    from += length;
  }
  return groups;
}

/** What a screen reader shall say of digits in groups: each by itself, with a rest between the groups. */
export function spoken(groups: readonly string[]): string {
  return groups.map((group) => [...group].join(' ')).join(', ');
}

/** The same for a telephone number as it is written: `+31 20 123 4567`. */
export function spokenNumber(written: string): string {
  return spoken(written.split(/[^+\d]+/).filter((group) => group !== ''));
}
