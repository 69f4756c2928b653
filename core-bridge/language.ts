/** The languages of the citizens' pages. */
export const LANGUAGES = ['nl', 'en'] as const;
export type Language = (typeof LANGUAGES)[number];

/** More of the header than any browser sends. */
const MAX_HEADER_CHARACTERS = 500;

/**
 * The language of a page: what its address asks for, else what the browser prefers, else the fallback.
 * @param asked the value of `lang`, whatever it is
 * @param accepted the Accept-Language header (RFC 9110, 12.5.4)
 */
export function pageLanguage(asked: unknown, accepted: string | undefined, fallback: Language): Language {
  const chosen = LANGUAGES.find((language) => language === asked);
  if (chosen) return chosen;
  let best: { language: Language; weight: number } = { language: fallback, weight: 0 };
  for (const part of (accepted ?? '').slice(0, MAX_HEADER_CHARACTERS).split(',')) {
    const [range = '', ...parameters] = part.trim().toLowerCase().split(';');
    const language = LANGUAGES.find((known) => range === known || range.startsWith(`${known}-`));
    const quality = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('q='));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    if (language && weight > best.weight) best = { language, weight };
  }
  return best.language;
}
