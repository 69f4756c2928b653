/** The words in which ID Contact and its successor Verder Helpen differ. */
export interface Dialect {
  readonly subject: string;
  readonly success: string;
}

export const DIALECTS: Readonly<Record<'id-contact' | 'verder-helpen', Dialect>> = {
  // One s: that is how it stands on the wire.
  'id-contact': { subject: 'id-contact-attributes', success: 'succes' },
  'verder-helpen': { subject: 'verder-helpen-attributes', success: 'success' },
};

/** Subjects and success words that are understood, whichever dialect is spoken. */
export const KNOWN_SUBJECTS: ReadonlySet<string> = new Set(Object.values(DIALECTS).map((dialect) => dialect.subject));
export const SUCCESS_WORDS: ReadonlySet<string> = new Set(Object.values(DIALECTS).map((dialect) => dialect.success));
export const FAILURE_WORD = 'failed';
