/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call,
   @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return -- the types drachtio-srf ships leave out half of what is exercised here */
/** What is done to the server in each recorded scenario: an application on drachtio-srf, and phones that keep to a script. */
import type { SipMessage } from '../../../gateway/engines/sip-stack/index.js';
import type { PhoneCall, ScriptedPhone } from './scripted-phone.js';
import { afterMs, sdp, sleep } from './scripted-phone.js';

export interface Stage {
  /** A connected application. */
  app(): Promise<any>;
  phone(name?: string, protocol?: 'udp' | 'tcp'): Promise<ScriptedPhone>;
  /** Cuts the connections of the applications. */
  dropApps(): void;
  /** A UDP or TCP port on which nothing listens. */
  freePort(): Promise<number>;
}

export interface Scenario {
  run(stage: Stage): Promise<void>;
  /** Things the real server does and ours does not, each with the reason; taken out of its recording. */
  readonly onlyReal?: { readonly app?: readonly string[]; readonly net?: readonly string[]; readonly because: string };
  /** Things ours does in addition; taken out of what was observed on it. */
  readonly onlyOurs?: { readonly app?: readonly string[]; readonly net?: readonly string[]; readonly because: string };
  /** The order of frames to the application is left to chance. */
  readonly unordered?: boolean;
  readonly timeoutMs?: number;
}

const answering = (phone: ScriptedPhone, byMethod: Record<string, (request: SipMessage) => void>): void => {
  phone.onRequest = (request) => byMethod[request.method!]?.(request);
};

/** The application answers a call of the phone. */
async function called(stage: Stage, onDialog?: (dialog: any) => void): Promise<{ srf: any; phone: ScriptedPhone; call: PhoneCall; dialog: any }> {
  const srf = await stage.app();
  const dialog = new Promise<any>((resolve) => {
    srf.invite(async (req: any, res: any) => {
      const made = await srf.createUAS(req, res, { localSdp: sdp(9000) });
      made.on('destroy', () => undefined);
      onDialog?.(made);
      resolve(made);
    });
  });
  const phone = await stage.phone();
  const call = phone.call();
  phone.invite(call);
  phone.learn(call, await phone.expect('200 INVITE'));
  phone.ack(call);
  const made = await dialog;
  await sleep(60);
  return { srf, phone, call, dialog: made };
}

/** The application calls the phone. */
async function calling(stage: Stage, options: object = {}): Promise<{ srf: any; phone: ScriptedPhone; call: PhoneCall; dialog: any }> {
  const srf = await stage.app();
  const phone = await stage.phone();
  const pending = srf.createUAC(phone.uri, { localSdp: sdp(9000), ...options });
  const invite = await phone.expect('INVITE');
  phone.respond(invite, 200, 'OK', { body: sdp() });
  const dialog = await pending;
  dialog.on('destroy', () => undefined);
  await phone.expect('ACK');
  await sleep(60);
  return { srf, phone, call: phone.answeredCall(invite), dialog };
}

async function byePhone(phone: ScriptedPhone, call: PhoneCall): Promise<void> {
  phone.later('BYE', call);
  await phone.expect('200 BYE');
  await sleep(60);
}

const failed = async (promise: Promise<unknown>): Promise<void> => {
  await promise.then(() => undefined, () => undefined);
};

const CHALLENGE = 'Digest realm="test.example", nonce="abc123", qop="auth", algorithm=MD5';
const RELAYED_KEY = { headers: { 'Content-Type': 'application/dtmf-relay' } };

export const scenarios: Record<string, Scenario> = {
  'uas-answer-bye-caller': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (req: any, res: any) => {
        res.send(180, { headers: { 'X-From-App': 'ringing' } });
        await sleep(100);
        await srf.createUAS(req, res, { localSdp: sdp(9000) });
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      await phone.expect(180);
      phone.learn(call, await phone.expect('200 INVITE'));
      phone.ack(call);
      await sleep(100);
      await byePhone(phone, call);
    },
  },
  'uas-answer-bye-app': {
    async run(stage) {
      const { phone, dialog } = await called(stage);
      answering(phone, { BYE: (bye) => phone.respond(bye, 200, 'OK') });
      await dialog.destroy({ headers: { 'X-Bye': 'yes' } });
    },
  },
  'uas-answer-bye-app-before-ack': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (req: any, res: any) => {
        const dialog = await srf.createUAS(req, res, { localSdp: sdp(9000) });
        await dialog.destroy();
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      phone.learn(call, await phone.expect('200 INVITE'));
      phone.respond(await phone.expect('BYE'), 200, 'OK');
      await sleep(50);
      phone.ack(call);
      await sleep(150);
    },
  },
  'uas-cancel-no-response-yet': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (_req: any, res: any) => {
        await sleep(300);
        res.send(486, () => undefined);
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      await phone.expect(100);
      await sleep(50);
      phone.request('CANCEL', call, { headers: { Reason: 'SIP;cause=200;text="Call completed elsewhere"' } });
      await phone.expect('200 CANCEL');
      phone.ackFailure(call, await phone.expect('487 INVITE'));
      await sleep(400);
    },
  },
  'uas-cancel-after-180': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (_req: any, res: any) => {
        res.send(180);
        await sleep(300);
        res.send(487, () => undefined);
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      await phone.expect(180);
      phone.request('CANCEL', call);
      await phone.expect('200 CANCEL');
      phone.ackFailure(call, await phone.expect('487 INVITE'));
      await sleep(400);
    },
  },
  'uas-reject-486': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite((_req: any, res: any) => res.send(486, { headers: { 'X-Why': 'busy' } }));
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      phone.ackFailure(call, await phone.expect('486 INVITE'));
      await sleep(100);
    },
  },
  'uas-404-default': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite((_req: any, _res: any, next: any) => next());
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      phone.ackFailure(call, await phone.expect('404 INVITE'));
      await sleep(100);
    },
  },
  'uas-prack': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite((req: any, res: any) => {
        res.send(183, { headers: { Require: '100rel' }, body: sdp(9000) }, () => undefined, async () => {
          await sleep(100);
          await srf.createUAS(req, res, { localSdp: sdp(9000) });
        });
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call, { headers: { Supported: '100rel' } });
      const progress = await phone.expect('183 INVITE');
      phone.learn(call, progress);
      await sleep(700);
      phone.later('PRACK', call, { headers: { RAck: `${progress.get('rseq')} 1 INVITE` } });
      await phone.expect('200 PRACK');
      phone.learn(call, await phone.expect('200 INVITE'));
      phone.ack(call, { seq: 1 });
      await sleep(100);
      await byePhone(phone, call);
    },
  },
  'uas-100rel-unsupported': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite((_req: any, res: any) => {
        res.send(183, { headers: { Require: '100rel' } }, () => undefined);
        afterMs(100, () => res.send(480));
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      phone.ackFailure(call, await phone.expect('480 INVITE'));
      await sleep(100);
    },
  },
  'uas-update-early': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (req: any, res: any) => {
        req.on('update', (_update: any, answer: any) => answer.send(200, { body: sdp(9000) }));
        res.send(183, { body: sdp(9000) });
        await sleep(400);
        await srf.createUAS(req, res, { localSdp: sdp(9000) });
      });
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      phone.learn(call, await phone.expect('183 INVITE'));
      phone.later('UPDATE', call, { body: sdp() });
      await phone.expect('200 UPDATE');
      phone.learn(call, await phone.expect('200 INVITE'));
      phone.ack(call, { seq: 1 });
      await sleep(100);
      await byePhone(phone, call);
    },
    onlyReal: { app: ['OK application sent T1 200 UPDATE'], net: ['200 UPDATE'], because: 'RFC 3311 wants a Contact in the 2xx of UPDATE, and a body its Content-Type; ours has both' },
    onlyOurs: { app: ['OK application sent T1 200 UPDATE Contact Content-Type'], net: ['200 UPDATE Contact Content-Type'], because: 'see above' },
  },
  'dlg-to-tag-by-app': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite((req: any, res: any) => srf.createUAS(req, res, { localSdp: sdp(9000), headers: { To: 'tag=apptag1', Contact: '<sip:svc@localhost>' } }));
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      const ok = await phone.expect('200 INVITE');
      if (ok.toTag !== 'apptag1') throw new Error(`To tag is ${ok.toTag}`);
      phone.learn(call, ok);
      phone.ack(call);
      await sleep(60);
      await byePhone(phone, call);
    },
  },
  'dlg-second-bye-481': {
    async run(stage) {
      const { phone, call } = await called(stage);
      await byePhone(phone, call);
      phone.later('BYE', call);
      await phone.expect('481 BYE');
      phone.later('INFO', call);
      await phone.expect((message) => message.cseq?.method === 'INFO' && message.status! >= 200);
    },
    onlyReal: { net: ['503 INFO'], because: 'a request for an unknown dialog deserves 481' },
    onlyOurs: { net: ['481 INFO'], because: 'see above' },
  },
  'dlg-reinvite-remote-auto': {
    async run(stage) {
      const { phone, call } = await called(stage);
      phone.later('INVITE', call, { body: sdp(5000) });
      await phone.expect('200 INVITE');
      phone.ack(call);
      await sleep(100);
      await byePhone(phone, call);
    },
  },
  'dlg-reinvite-remote-modify': {
    async run(stage) {
      const { phone, call } = await called(stage, (dialog) => {
        dialog.on('modify', (_req: any, res: any) => afterMs(50, () => res.send(200, { body: sdp(9002) }, () => undefined, () => undefined)));
      });
      phone.later('INVITE', call, { body: sdp() });
      await phone.expect('200 INVITE');
      phone.ack(call);
      await sleep(100);
      await byePhone(phone, call);
    },
  },
  'dlg-reinvite-remote-488': {
    async run(stage) {
      const { phone, call } = await called(stage, (dialog) => dialog.on('modify', (_req: any, res: any) => res.send(488)));
      const text = phone.later('INVITE', call, { body: sdp() });
      await phone.expect('488 INVITE');
      phone.request('ACK', call, { branch: /branch=([^;\r]+)/.exec(text)![1]! });
      await sleep(100);
      await byePhone(phone, call);
    },
  },
  'dlg-modify-app': {
    async run(stage) {
      const { phone, dialog } = await calling(stage);
      answering(phone, { INVITE: (invite) => phone.respond(invite, 200, 'OK', { body: sdp(4444) }), BYE: (bye) => phone.respond(bye, 200, 'OK') });
      await dialog.modify(`${sdp(9100)}a=sendrecv\r\n`);
      await sleep(50);
      await dialog.modify('hold');
      await sleep(50);
      await dialog.modify('unhold');
      await sleep(50);
      await dialog.destroy();
    },
  },
  'dlg-modify-app-uas': {
    async run(stage) {
      const { phone, dialog } = await called(stage);
      answering(phone, {
        INVITE: (invite) => {
          phone.respond(invite, 100, 'Trying');
          phone.respond(invite, 200, 'OK', { body: sdp(4444) });
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      await dialog.modify(sdp(9100));
      await sleep(50);
      await dialog.destroy();
    },
  },
  'dlg-modify-app-407': {
    async run(stage) {
      const { phone, dialog } = await calling(stage, { auth: { username: 'u', password: 'p' } });
      const challenge = (request: SipMessage): boolean => {
        if (request.has('proxy-authorization')) return false;
        phone.respond(request, 407, 'Proxy Authentication Required', { headers: { 'Proxy-Authenticate': 'Digest realm="r", nonce="abc"' } });
        return true;
      };
      answering(phone, {
        INVITE: (invite) => challenge(invite) || phone.respond(invite, 200, 'OK', { body: sdp() }),
        BYE: (bye) => challenge(bye) || phone.respond(bye, 200, 'OK'),
      });
      await dialog.modify(sdp(9100));
      await sleep(60);
      await dialog.destroy();
      await sleep(60);
    },
    onlyReal: { net: ['ACK'], because: 'ours repeats the credentials in the ACK of a 2xx (RFC 3261 §22.1)', app: ['OK application sent T5 ACK'] },
    onlyOurs: { net: ['ACK Proxy-Authorization'], app: ['OK application sent T5 ACK Proxy-Authorization'], because: 'see above' },
  },
  'dlg-info-both': {
    async run(stage) {
      const { phone, call, dialog } = await called(stage, (made) => made.on('info', (_req: any, res: any) => res.send(200)));
      phone.later('INFO', call, { body: 'Signal=5\r\nDuration=160\r\n', type: 'application/dtmf-relay' });
      await phone.expect('200 INFO');
      answering(phone, { INFO: (info) => phone.respond(info, 200, 'OK') });
      await dialog.request({ method: 'INFO', ...RELAYED_KEY, body: 'Signal=7\r\nDuration=160\r\n' });
      await failed(dialog.request({ method: 'INFO', body: 'no content type' }));
      await byePhone(phone, call);
    },
  },
  'dlg-refer-remote': {
    async run(stage) {
      const { phone, call } = await called(stage, (dialog) => {
        dialog.on('refer', async (_req: any, res: any) => {
          res.send(202);
          for (const [body, state] of [['SIP/2.0 100 Trying', 'active;expires=60'], ['SIP/2.0 200 OK', 'terminated;reason=noresource']]) {
            await dialog.request({ method: 'NOTIFY', headers: { Event: 'refer', 'Subscription-State': state, 'Content-Type': 'message/sipfrag;version=2.0', Contact: dialog.local.contact }, body });
          }
        });
      });
      answering(phone, { NOTIFY: (notify) => phone.respond(notify, 200, 'OK') });
      phone.later('REFER', call, { headers: { 'Refer-To': '<sip:carol@127.0.0.1>', 'Referred-By': '<sip:alice@127.0.0.1>' } });
      await phone.expect('202 REFER');
      await sleep(300);
      await byePhone(phone, call);
    },
    // The 202 and the first NOTIFY cross.
    unordered: true,
  },
  'dlg-refer-app': {
    async run(stage) {
      const { phone, call, dialog } = await calling(stage);
      dialog.on('notify', (_req: any, res: any) => res.send(200));
      const notify = (state: string, body: string): string => phone.later('NOTIFY', call, { headers: { Event: 'refer', 'Subscription-State': state }, body, type: 'message/sipfrag' });
      answering(phone, {
        REFER: (refer) => {
          phone.respond(refer, 202, 'Accepted');
          afterMs(50, () => {
            notify('active;expires=60', 'SIP/2.0 100 Trying');
            afterMs(100, () => void notify('terminated;reason=noresource', 'SIP/2.0 200 OK'));
          });
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      await dialog.request({ method: 'REFER', headers: { 'Refer-To': '<sip:carol@127.0.0.1>' } });
      await sleep(400);
      await dialog.destroy();
    },
  },
  'dlg-update-both': {
    async run(stage) {
      const { phone, call, dialog } = await called(stage);
      phone.later('UPDATE', call, { body: sdp(4600) });
      await phone.expect('200 UPDATE');
      answering(phone, { UPDATE: (update) => phone.respond(update, 200, 'OK', { body: sdp() }) });
      await dialog.request({ method: 'UPDATE', body: sdp(9400) });
      await byePhone(phone, call);
    },
    onlyReal: { app: ['OK application sent T2 D1 200 UPDATE Content-Type', 'OK application sent T3 UPDATE Content-Type'], net: ['200 UPDATE Content-Type', 'UPDATE Content-Type'], because: 'RFC 3311 wants a Contact in UPDATE and its 2xx; ours have one' },
    onlyOurs: { app: ['OK application sent T2 D1 200 UPDATE Contact Content-Type', 'OK application sent T3 UPDATE Contact Content-Type'], net: ['200 UPDATE Contact Content-Type', 'UPDATE Contact Content-Type'], because: 'see above' },
  },
  'dlg-options-message-in-dialog': {
    async run(stage) {
      const { phone, call, dialog } = await called(stage);
      phone.later('OPTIONS', call);
      await phone.expect('200 OPTIONS');
      phone.later('MESSAGE', call, { body: 'hi', type: 'text/plain' });
      await phone.expect('200 MESSAGE');
      phone.later('SUBSCRIBE', call, { headers: { Event: 'x' } });
      await phone.expect((message) => message.cseq?.method === 'SUBSCRIBE');
      phone.onRequest = (request) => phone.respond(request, 200, 'OK');
      await dialog.request({ method: 'OPTIONS' });
      await dialog.request({ method: 'MESSAGE', headers: { 'Content-Type': 'text/plain' }, body: 'yo' });
      await byePhone(phone, call);
    },
  },
  'uac-answer': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      answering(phone, {
        INVITE: (invite) => {
          phone.respond(invite, 100, 'Trying');
          afterMs(30, () => {
            phone.respond(invite, 180, 'Ringing', { contact: false, headers: { Contact: `<${phone.uri}>` } });
            afterMs(70, () => phone.respond(invite, 200, 'OK', { body: sdp() }));
          });
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      const dialog = await srf.createUAC(phone.uri, { localSdp: sdp(9000), headers: { 'X-Custom': 'one', 'User-Agent': 'my-app', Subject: 'hi' } });
      await sleep(60);
      await dialog.destroy();
    },
  },
  'uac-answer-bye-remote': {
    async run(stage) {
      const { phone, call } = await calling(stage, { callingNumber: '1234' });
      await byePhone(phone, call);
    },
  },
  'uac-reject-486': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      answering(phone, { INVITE: (invite) => phone.respond(invite, 486, 'Busy Here', { headers: { Reason: 'Q.850;cause=17' } }) });
      await failed(srf.createUAC(phone.uri, { localSdp: sdp() }));
      await sleep(100);
    },
  },
  'uac-407-answered': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      answering(phone, {
        INVITE: (invite) => {
          if (!invite.has('proxy-authorization')) {
            phone.respond(invite, 407, 'Proxy Authentication Required', { headers: { 'Proxy-Authenticate': CHALLENGE } });
            return;
          }
          phone.respond(invite, 180, 'Ringing');
          afterMs(50, () => phone.respond(invite, 200, 'OK', { body: sdp() }));
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      const dialog = await srf.createUAC(phone.uri, { localSdp: sdp(), callingNumber: '1234', auth: { username: 'u', password: 'p' } });
      await sleep(60);
      await dialog.destroy();
    },
    onlyReal: { net: ['ACK'], app: ['OK application sent T3 ACK'], because: 'ours repeats the credentials in the ACK of a 2xx (RFC 3261 §22.1)' },
    onlyOurs: { net: ['ACK Proxy-Authorization'], app: ['OK application sent T3 ACK Proxy-Authorization'], because: 'see above' },
  },
  'uac-cancel-after-180': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      let invite: SipMessage;
      answering(phone, {
        INVITE: (request) => {
          invite = request;
          phone.respond(request, 100, 'Trying');
          phone.respond(request, 180, 'Ringing');
        },
        CANCEL: (cancel) => {
          phone.respond(cancel, 200, 'OK');
          phone.respond(invite, 487, 'Request Terminated');
        },
      });
      let sent: any;
      await failed(srf.createUAC(phone.uri, { localSdp: sdp() }, {
        cbRequest: (_error: any, request: any) => (sent = request),
        cbProvisional: (response: any) => {
          if (response.status === 180) sent.cancel({ headers: { Reason: 'SIP;cause=200;text="Call completed elsewhere"' } }, () => undefined);
        },
      }));
      await sleep(150);
    },
  },
  'uac-cancel-race-200': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      let invite: SipMessage;
      answering(phone, {
        INVITE: (request) => {
          invite = request;
          phone.respond(request, 180, 'Ringing');
        },
        CANCEL: (cancel) => {
          phone.respond(invite, 200, 'OK', { body: sdp() });
          phone.respond(cancel, 481, 'No');
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      let sent: any;
      await failed(srf.createUAC(phone.uri, { localSdp: sdp() }, { cbRequest: (_error: any, request: any) => (sent = request), cbProvisional: () => sent.cancel() }));
      await sleep(200);
    },
  },
  'uac-183-early-media': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      answering(phone, {
        INVITE: (invite) => {
          phone.respond(invite, 183, 'Session Progress', { body: sdp() });
          afterMs(100, () => phone.respond(invite, 200, 'OK', { body: sdp() }));
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      const dialog = await srf.createUAC(phone.uri, { localSdp: sdp() });
      await dialog.destroy();
    },
  },
  'uac-183-prack': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      let invite: SipMessage;
      answering(phone, {
        INVITE: (request) => {
          invite = request;
          phone.respond(request, 183, 'Session Progress', { body: sdp(), headers: { Require: '100rel', RSeq: '17' } });
        },
        PRACK: (prack) => {
          phone.respond(prack, 200, 'OK');
          afterMs(60, () => phone.respond(invite, 200, 'OK', { body: sdp() }));
        },
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      const dialog = await srf.createUAC(phone.uri, { localSdp: sdp(), headers: { Supported: '100rel' } });
      await dialog.destroy();
    },
  },
  'uac-3pcc': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      answering(phone, { INVITE: (invite) => phone.respond(invite, 200, 'OK', { body: sdp() }), BYE: (bye) => phone.respond(bye, 200, 'OK') });
      const { ack } = await srf.createUAC(phone.uri, { noAck: true });
      const dialog = await ack(sdp(9000));
      await sleep(60);
      await dialog.destroy();
    },
  },
  'uac-200-retransmitted': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      const pending = srf.createUAC(phone.uri, { localSdp: sdp() });
      const invite = await phone.expect('INVITE');
      phone.respond(invite, 200, 'OK', { body: sdp() });
      const dialog = await pending;
      await phone.expect('ACK');
      phone.respond(invite, 200, 'OK', { body: sdp() });
      await phone.expect('ACK');
      answering(phone, { BYE: (bye) => phone.respond(bye, 200, 'OK') });
      await dialog.destroy();
    },
  },
  'uac-302-follow': {
    async run(stage) {
      const srf = await stage.app();
      const first = await stage.phone();
      const second = await stage.phone('phone2');
      answering(first, { INVITE: (invite) => first.respond(invite, 302, 'Moved', { headers: { Contact: `<${second.uri}>` } }) });
      answering(second, { INVITE: (invite) => second.respond(invite, 200, 'OK', { body: sdp() }), BYE: (bye) => second.respond(bye, 200, 'OK') });
      const dialog = await srf.createUAC(first.uri, { localSdp: sdp(), followRedirects: true });
      await dialog.destroy();
    },
  },
  'uac-record-route': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      const routes = [`<sip:127.0.0.1:${phone.port};lr;far>`, `<sip:127.0.0.1:${phone.port};lr;near>`];
      answering(phone, {
        INVITE: (invite) => phone.respond(invite, 200, 'OK', { body: sdp(), headers: { 'Record-Route': routes } }),
        BYE: (bye) => phone.respond(bye, 200, 'OK'),
      });
      const dialog = await srf.createUAC(phone.uri, { localSdp: sdp() });
      await sleep(60);
      await dialog.destroy();
    },
  },
  'uac-tcp-refused': {
    async run(stage) {
      const srf = await stage.app();
      await failed(srf.createUAC(`sip:x@127.0.0.1:${await stage.freePort()};transport=tcp`, { localSdp: sdp() }));
      await sleep(60);
    },
  },
  'uac-udp-nobody-listening': {
    async run(stage) {
      const srf = await stage.app();
      await failed(srf.createUAC(`sip:x@127.0.0.1:${await stage.freePort()}`, { localSdp: sdp() }));
      await sleep(60);
    },
  },
  'uac-dns-failure': {
    async run(stage) {
      const srf = await stage.app();
      await failed(srf.createUAC('sip:x@no-such-host.invalid', { localSdp: sdp() }));
      await sleep(60);
    },
  },
  'tcp-inbound': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (req: any, res: any) => {
        const dialog = await srf.createUAS(req, res, { localSdp: sdp(9000) });
        dialog.on('destroy', () => undefined);
        await sleep(100);
        await dialog.request({ method: 'INFO', headers: { 'Content-Type': 'text/plain' }, body: 'x' });
      });
      const phone = await stage.phone('phone', 'tcp');
      answering(phone, { INFO: (info) => phone.respond(info, 200, 'OK') });
      const call = phone.call();
      phone.invite(call);
      phone.learn(call, await phone.expect('200 INVITE'));
      phone.ack(call);
      await phone.expect('INFO');
      await sleep(60);
      await byePhone(phone, call);
    },
  },
  'tcp-inbound-closed-before-answer': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite(async (_req: any, res: any) => {
        await sleep(300);
        res.send(200, { body: sdp() }, () => undefined);
      });
      const phone = await stage.phone('phone', 'tcp');
      phone.invite(phone.call());
      await phone.expect(100);
      await sleep(50);
      phone.close();
      await sleep(400);
    },
  },
  'app-disconnect-midcall': {
    async run(stage) {
      const { srf, phone, call } = await called(stage);
      srf.on('reconnecting', () => undefined);
      stage.dropApps();
      await sleep(100);
      phone.later('INFO', call, { body: 'Signal=1', type: 'application/dtmf-relay' });
      await phone.expect('481 INFO');
      await sleep(700);
      phone.later('BYE', call);
      await phone.expect('481 BYE');
    },
  },
  'app-disconnect-before-answer': {
    async run(stage) {
      const srf = await stage.app();
      srf.invite((_req: any, res: any) => res.send(180));
      const phone = await stage.phone();
      const call = phone.call();
      phone.invite(call);
      await phone.expect('180 INVITE');
      await sleep(60);
      srf.disconnect();
      await sleep(200);
      phone.request('CANCEL', call);
      await phone.expect('200 CANCEL');
      phone.ackFailure(call, await phone.expect('487 INVITE'));
    },
  },
  'b2bua-answer': {
    async run(stage) {
      const srf = await stage.app();
      const alice = await stage.phone('alice');
      const bob = await stage.phone('bob');
      srf.invite(async (req: any, res: any) => {
        const { uas, uac } = await srf.createB2BUA(req, res, bob.uri, { localSdpB: req.body });
        uas.on('destroy', () => uac.destroy());
        uac.on('destroy', () => uas.destroy());
      });
      await sleep(60);
      answering(bob, {
        INVITE: (invite) => {
          bob.respond(invite, 180, 'Ringing');
          afterMs(80, () => bob.respond(invite, 200, 'OK', { body: sdp() }));
        },
        BYE: (bye) => bob.respond(bye, 200, 'OK'),
      });
      const call = alice.call();
      alice.invite(call);
      alice.learn(call, await alice.expect('200 INVITE'));
      alice.ack(call);
      await sleep(100);
      await byePhone(alice, call);
      await bob.expect('BYE');
      await sleep(60);
    },
    unordered: true,
  },
  'b2bua-cancel': {
    async run(stage) {
      const srf = await stage.app();
      const alice = await stage.phone('alice');
      const bob = await stage.phone('bob');
      srf.invite((req: any, res: any) => failed(srf.createB2BUA(req, res, bob.uri, {})));
      await sleep(60);
      let invite: SipMessage;
      answering(bob, {
        INVITE: (request) => {
          invite = request;
          bob.respond(request, 180, 'Ringing');
        },
        CANCEL: (cancel) => {
          bob.respond(cancel, 200, 'OK');
          bob.respond(invite, 487, 'Request Terminated');
        },
      });
      const call = alice.call();
      alice.invite(call);
      await alice.expect('180 INVITE');
      await sleep(50);
      alice.request('CANCEL', call, { headers: { Reason: 'SIP;cause=200' } });
      alice.ackFailure(call, await alice.expect('487 INVITE'));
      await sleep(200);
    },
    unordered: true,
  },
  'b2bua-failure': {
    async run(stage) {
      const srf = await stage.app();
      const alice = await stage.phone('alice');
      const bob = await stage.phone('bob');
      srf.invite((req: any, res: any) => failed(srf.createB2BUA(req, res, bob.uri, {})));
      await sleep(60);
      answering(bob, { INVITE: (invite) => bob.respond(invite, 486, 'Busy Here') });
      const call = alice.call();
      alice.invite(call);
      alice.ackFailure(call, await alice.expect('486 INVITE'));
      await sleep(150);
    },
    unordered: true,
  },
  'ood-register-outbound-digest': {
    async run(stage) {
      const srf = await stage.app();
      const phone = await stage.phone();
      answering(phone, {
        REGISTER: (register) => {
          if (register.has('authorization')) phone.respond(register, 200, 'OK', { headers: { Contact: `${register.get('contact')};expires=60` } });
          else phone.respond(register, 401, 'Unauthorized', { headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n1", algorithm=MD5, qop="auth", opaque="zz"' } });
        },
      });
      const request = await srf.request(phone.uri.replace('phone@', ''), {
        method: 'REGISTER', headers: { From: 'sip:me@example.com', To: 'sip:me@example.com', Contact: '<sip:me@localhost>', Expires: '60' }, auth: { username: 'me', password: 'pw' },
      });
      const response: any = await new Promise((resolve) => request.on('response', resolve));
      if (response.status !== 200) throw new Error(`registered with ${response.status}`);
    },
  },
  'ood-subscribe-inbound': {
    async run(stage) {
      const srf = await stage.app();
      srf.subscribe(async (req: any, res: any) => {
        const dialog = await srf.createUAS(req, res, { headers: { Expires: '60' } });
        for (const state of ['active;expires=60', 'terminated']) await dialog.request({ method: 'NOTIFY', headers: { Event: 'presence', 'Subscription-State': state } });
      });
      const phone = await stage.phone();
      answering(phone, { NOTIFY: (notify) => phone.respond(notify, 200, 'OK') });
      phone.request('SUBSCRIBE', phone.call(), { headers: { Event: 'presence', Expires: '60' } });
      await phone.expect('202 SUBSCRIBE');
      await sleep(300);
    },
  },
  'proxy-request': {
    async run(stage) {
      const srf = await stage.app();
      const alice = await stage.phone('alice');
      const bob = await stage.phone('bob');
      srf.invite((req: any) => srf.proxyRequest(req, bob.uri, { remainInDialog: true }));
      await sleep(60);
      answering(bob, {
        INVITE: (invite) => {
          bob.respond(invite, 180, 'Ringing');
          bob.respond(invite, 200, 'OK', { body: sdp() });
        },
        BYE: (bye) => bob.respond(bye, 200, 'OK'),
      });
      const call = alice.call();
      alice.invite(call);
      const ok = await alice.expect('200 INVITE');
      alice.learn(call, ok);
      const Route = ok.get('record-route')!;
      alice.ack(call, { headers: { Route } });
      await bob.expect('ACK');
      alice.later('BYE', call, { headers: { Route } });
      await alice.expect('200 BYE');
    },
  },
};
