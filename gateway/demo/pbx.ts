/**
 * A municipality's PBX with a queue of its own, as far as a guided run needs one: it takes the call into its queue, later
 * gives it to an agent, and reports who that is, as real ones do (RFC 3325, in an UPDATE).
 */
import { tone, type Phone, type PhoneCall } from '../phone/index.js';
import { hz } from './stage.js';

/** What the gateway's INVITE said. */
export interface Handed {
  /** As the User-to-User header carries it (RFC 7433). */
  readonly userToUser: string;
  readonly callInfo: string;
  /** The whole of what an admin sees of it. */
  readonly text: string;
}

/** Headers that can hold something about a caller. */
const telling = ['From', 'To', 'Contact', 'Subject', 'User-to-User', 'Call-Info', 'P-Asserted-Identity', 'Remote-Party-ID', 'X-Identity-Reference'];

export class DemoPbx {
  handed: Handed | undefined;
  private call: PhoneCall | undefined;

  private constructor(private readonly phone: Phone) {}

  static over(phone: Phone): DemoPbx {
    const pbx = new DemoPbx(phone);
    phone.answer({
      answerAfterMs: 400,
      say: { samples: tone([hz.queue], 1_000), forever: true },
      onCall: (call, invitation) => {
        pbx.call = call;
        const text = telling.map((header) => `${header}: ${invitation.get(header) ?? ''}`).join('\n') + (invitation.body ?? '');
        pbx.handed = { userToUser: invitation.get('User-to-User') ?? '', callInfo: invitation.get('Call-Info') ?? '', text };
      },
    });
    return pbx;
  }

  /** Where its queue is called. */
  get queue(): string {
    return `sip:8000@${this.phone.sip.host}:${this.phone.sip.port}`;
  }

  /** Reports that the call is with this extension now. Who sits there is heard from here on. */
  async report(extension: string, name: string, speaksHz: number): Promise<boolean> {
    const { host } = this.phone.sip;
    this.call?.say(tone([speaksHz], 1_000), true);
    return (await this.call?.update({ 'P-Asserted-Identity': `"${name}" <sip:${extension}@${host}>` })) === 200;
  }

  get hasCall(): boolean {
    return this.call !== undefined && !this.call.isEnded;
  }
}

/** The characters in a User-to-User header, in hexadecimal behind the 04 that announces them. */
export function textOfUserToUser(header: string): string {
  const hex = /^04([0-9a-f]+);encoding=hex$/i.exec(header)?.[1] ?? '';
  return Buffer.from(hex, 'hex').toString('latin1');
}
