import type Srf from 'drachtio-srf';

/** Longer than any number, and no way to break out of a header. */
const numberPattern = /^[0-9A-Za-z+*#._-]{1,40}$/;

/** The number that the trunk told us; undefined when there is none, or the caller withheld it (RFC 3323 and 3325). */
export function callerNumberOf(req: Srf.SrfRequest): string | undefined {
  const number = numberPattern.exec(req.callingNumber ?? '')?.[0];
  const withheld = number === undefined || /anonymous/i.test(number) || (req.has('Privacy') && /\b(id|user|full|header)\b/i.test(req.get('Privacy')));
  return withheld ? undefined : number;
}

/** The caller as a phone shows it, for a From header. */
export function shownAs(number: string | undefined): string {
  return number === undefined ? '"Anonymous" <sip:anonymous@anonymous.invalid>' : `<sip:${encodeURIComponent(number).replaceAll('%2B', '+')}@localhost>`;
}
