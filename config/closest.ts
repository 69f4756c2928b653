/** Number of single-letter changes between two words (insert, delete, replace, swap of neighbours). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      row.push(best);
    }
  }
  return at(a.length, b.length);
}

/** The known word nearest to a mistyped one, or undefined when none is near enough to be what was meant. */
export function closest(typed: string, known: readonly string[]): string | undefined {
  if (typed.length > 60) return undefined;
  const plain = (word: string): string => word.toLowerCase().replace(/[-_\s]/g, '');
  const ranked = known
    .map((word) => ({ word, away: distance(plain(typed), plain(word)) }))
    .sort((a, b) => a.away - b.away);
  const [first] = ranked;
  return first && first.away <= Math.max(1, Math.floor(first.word.length / 3)) ? first.word : undefined;
}
