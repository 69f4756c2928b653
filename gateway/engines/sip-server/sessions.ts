import type { SipMessage } from '../sip-stack/index.js';
import type { ServerCore } from './core.js';
import type { Dialog } from './dialogs.js';
import { MIN_SESSION_SECONDS, parseSessionExpires, SessionTimer, type SessionExpires } from './session-timer.js';

/** Session timers of the dialogs (RFC 4028); the applications know nothing of them. */
export class Sessions {
  constructor(private readonly core: ServerCore) {}

  /** True for a refresh whose interval is too short: to be answered 422 with Min-SE. */
  tooShort(request: SipMessage): boolean {
    const wanted = parseSessionExpires(request.get('session-expires'));
    return wanted !== undefined && wanted.seconds < MIN_SESSION_SECONDS;
  }

  /** We answer an INVITE or UPDATE with 2xx: adds Session-Expires when the peer asked for it with a refresher, and starts the timer. */
  answering(dialog: Dialog, request: SipMessage, response: SipMessage): void {
    const wanted = parseSessionExpires(request.get('session-expires'));
    if (wanted?.refresher !== undefined) {
      const agreed: SessionExpires = { seconds: Math.max(wanted.seconds, MIN_SESSION_SECONDS), refresher: wanted.refresher };
      response.set('Session-Expires', `${agreed.seconds};refresher=${agreed.refresher}`);
      if (agreed.refresher === 'uac' && !response.list('require').includes('timer')) response.add('Require', 'timer');
      this.start(dialog, agreed.seconds, agreed.refresher === 'uas');
    } else {
      dialog.sessionTimer?.restart();
    }
  }

  /** The peer answered an INVITE or UPDATE of ours with 2xx. */
  answered(dialog: Dialog, response: SipMessage): void {
    const agreed = parseSessionExpires(response.get('session-expires'));
    if (agreed?.refresher !== undefined && agreed.seconds > 0) this.start(dialog, agreed.seconds, agreed.refresher === 'uac');
    else dialog.sessionTimer?.restart();
  }

  private start(dialog: Dialog, seconds: number, weRefresh: boolean): void {
    dialog.sessionTimer?.stop();
    dialog.sessionTimer = new SessionTimer(seconds, weRefresh, (what) => {
      if (dialog.state !== 'confirmed') return;
      if (what === 'expired') this.core.hangUp(dialog, 'Session timer expired', 'session-expired');
      else this.refresh(dialog, seconds);
    });
    dialog.sessionTimer.restart();
  }

  private refresh(dialog: Dialog, seconds: number): void {
    if (dialog.localInvite !== undefined || dialog.remoteInvite !== undefined || dialog.leaving) {
      // Somebody is changing the session already, which refreshes it.
      dialog.sessionTimer?.restart();
      return;
    }
    try {
      const invite = this.core.requestIn(dialog, 'INVITE')
        .set('Contact', this.core.contactFor(dialog))
        .set('Session-Expires', `${seconds};refresher=uac`)
        .set('Supported', 'timer');
      if (dialog.localSdp !== undefined) {
        invite.set('Content-Type', 'application/sdp');
        invite.body = dialog.localSdp;
      }
      const seq = dialog.localSeq;
      const client = this.core.stack.request(invite, {
        onFinal: (response) => {
          dialog.localInvite = undefined;
          if (response.status! < 300) {
            const ack = this.core.requestIn(dialog, 'ACK').set('CSeq', `${seq} ACK`);
            if (dialog.localSdp === undefined && response.body.length > 0) {
              // An offerless refresh was answered with an offer; agreeing to it unchanged is all that can be said here.
              ack.set('Content-Type', 'application/sdp');
              ack.body = response.body;
            }
            this.core.stack.sendAck(client, ack);
            if (dialog.state === 'confirmed') this.answered(dialog, response);
          } else if (response.status === 408 || response.status === 481) {
            this.core.hangUp(dialog, 'Session timer expired', 'session-expired');
          } else if (dialog.state === 'confirmed') {
            dialog.sessionTimer?.restart();
          }
        },
      });
      dialog.localInvite = client;
    } catch (error) {
      this.core.log.debug({ err: error }, 'a session could not be refreshed');
    }
  }
}
