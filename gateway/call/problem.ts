/** What may be logged of an error: its code and words, which by rule hold nothing of the caller. */
export function problemOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error && typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message;
  return String(error);
}
