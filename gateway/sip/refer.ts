/** REFER within a call (RFC 3515): what it asks for, and the NOTIFYs that tell how it went. */
import type Srf from 'drachtio-srf';
import { respond } from './respond.js';

export interface ReferRequest {
  /** SIP or tel address, without its headers. */
  readonly uri: string;
  /** The dialog that is to be replaced, as a Replaces header carries it (RFC 3891); undefined: a blind transfer. */
  readonly replaces?: string;
}

const maxReferTo = 1_000;

/** @returns undefined for a Refer-To that is missing, repeated or cannot be understood */
export function referRequest(req: Pick<Srf.SrfRequest, 'has' | 'get'>): ReferRequest | undefined {
  if (!req.has('Refer-To')) return undefined;
  const text = req.get('Refer-To');
  if (text.length > maxReferTo) return undefined;
  const target = /<\s*((?:sips?|tel):[^<>\s]+)\s*>/i.exec(text)?.[1] ?? /^\s*((?:sips?|tel):[^<>\s,;]+)\s*(?:;|$)/i.exec(text)?.[1];
  if (target === undefined) return undefined;
  const [uri = '', headers = ''] = target.split('?');
  // A method other than INVITE is nothing that a call can be passed on by.
  if (/;method=(?!invite\b)/i.test(uri)) return undefined;
  let replaces: string | undefined;
  for (const header of headers.split('&')) {
    const [name = '', ...value] = header.split('=');
    if (name.toLowerCase() !== 'replaces') continue;
    try {
      replaces = decodeURIComponent(value.join('='));
    } catch {
      return undefined;
    }
    // RFC 3891 section 6.1: a Call-ID and two tags. Anything else must not get into a header of ours.
    if (!/^[^\s;,"<>]{1,256}(;[A-Za-z0-9-]+(=[^\s;,"<>]{1,128})?){2,3}$/.test(replaces)) return undefined;
  }
  return { uri: uri.replace(/;method=invite\b/i, ''), ...(replaces === undefined ? {} : { replaces }) };
}

/** The subscription that a REFER brings with it: tells the phone how its request goes, once and for all in the end. */
export class ReferProgress {
  private done = false;

  private constructor(private readonly dialog: Srf.Dialog, private readonly silent: boolean) {}

  /** Accepts the REFER with 202 and tells that it is being worked on. */
  static accept(dialog: Srf.Dialog, req: Srf.SrfRequest, res: Srf.SrfResponse): ReferProgress {
    // RFC 4488: a phone that wants no NOTIFYs says so.
    const silent = req.has('Refer-Sub') && /^\s*false/i.test(req.get('Refer-Sub'));
    respond(res, 202, silent ? { headers: { 'Refer-Sub': 'false' } } : {});
    const progress = new ReferProgress(dialog, silent);
    progress.notify('SIP/2.0 100 Trying', 'active;expires=60');
    return progress;
  }

  /** @param status of the call that was asked for: 200 when it was taken there */
  end(status: number, phrase: string): void {
    if (this.done) return;
    this.done = true;
    this.notify(`SIP/2.0 ${status} ${phrase}`, 'terminated;reason=noresource');
  }

  private notify(line: string, state: string): void {
    if (this.silent || !(this.dialog as unknown as { connected: boolean }).connected) return;
    const headers = { Event: 'refer', 'Subscription-State': state, 'Content-Type': 'message/sipfrag;version=2.0' };
    this.dialog.request({ method: 'NOTIFY', headers, body: `${line}\r\n` } as never).catch(() => undefined);
  }
}
