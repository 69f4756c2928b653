/** The words in which ID Contact and its successor Verder Helpen differ. One s in `succes`: that is how it stands on the wire. */
export const DIALECTS = {
  'id-contact': { subject: 'id-contact-attributes', success: 'succes' },
  'verder-helpen': { subject: 'verder-helpen-attributes', success: 'success' },
} as const;

/** Subjects and success words that are understood, whichever dialect is spoken. */
export const KNOWN_SUBJECTS = [DIALECTS['id-contact'].subject, DIALECTS['verder-helpen'].subject] as const;
export const SUCCESS_WORDS = [DIALECTS['id-contact'].success, DIALECTS['verder-helpen'].success] as const;
export const FAILURE_WORD = 'failed';
