/** Moments as people write them: a day, or an ISO 8601 moment with its zone. */

/** @returns the moment in UTC as ISO text, or undefined when it is neither; a day is its beginning in UTC, with `end` its end */
export function momentOf(text: string, end = false): string | undefined {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  if (!isDay && !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined;
  const at = Date.parse(isDay ? `${text}T00:00:00Z` : text);
  if (Number.isNaN(at)) return undefined;
  const moment = new Date(at + (isDay && end ? 86_400_000 : 0)).toISOString();
  // A 31st of February would quietly be a day of March.
  return isDay && !end && moment.slice(0, 10) !== text ? undefined : moment;
}
