/** The languages the prompts are recorded in. */
export const languages = ['nl', 'en'] as const;
export type Language = (typeof languages)[number];
