/**
 * The SIP library with a guard before everything it does: it knows a dialog by Call-ID and one tag, an INVITE by its
 * Call-ID alone, and asks nobody where a request came from.
 */
import { EventEmitter } from 'node:events';
import Srf from 'drachtio-srf';
import { canBeReached } from './asked.js';
import { callIdOf, DialogOwners, hostIn, type OwnedDialog, type Verdict } from './ownership.js';
import { respond } from './respond.js';
import type { Trunks } from './trunks.js';

/** What is kept out: from whom, and what it was. */
export interface Refused {
  readonly method: string;
  readonly address: string;
  readonly protocol: string;
}

export interface GuardOptions {
  readonly trunks: Trunks;
  /** What strangers get. */
  readonly strangers: 'silent' | 'refused';
}

type Req = Srf.SrfRequest & { readonly stackDialogId?: string; readonly socket: unknown; readonly agent: { mapServer: Map<unknown, { pendingNetworkInvites: Map<string, Pending> }> } };
interface Pending { readonly req: Srf.SrfRequest; readonly res: Srf.SrfResponse }
type Next = () => void;
/** The library calls back with (error, request) although its types say (request). */
interface Progress {
  cbRequest?: (error: unknown, req: Srf.SrfRequest | undefined) => void;
  cbProvisional?: (res: Srf.SrfResponse) => void;
}
type Handler = (req: Req, res: Srf.SrfResponse, next: Next) => void;

/**
 * Says what a dialog is for, so that it can be found when nothing wants it any more (gateway/watchman).
 * @param isNeeded false from the moment on in which it ought to be over
 * @param callId the call whose it is
 */
export function holdDialog(dialog: Srf.Dialog, isNeeded: () => boolean, callId: () => string | undefined): void {
  // Dialogs of other SIP libraries in tests have no such owner.
  const { srf } = dialog as unknown as { srf?: unknown };
  if (srf instanceof GuardedSrf) srf.owners.hold(dialog as OwnedDialog, isNeeded, callId);
}

/** Whether a dialog lives as far as anybody here knows. */
export function isAlive(dialog: Srf.Dialog): boolean {
  const { srf, connected } = dialog as unknown as { srf?: unknown; connected: boolean };
  return connected && !(srf instanceof GuardedSrf && !srf.owners.has(dialog as OwnedDialog));
}

/** The parts of the library that its types leave out. */
interface Inner {
  dialog(options?: object): Handler;
  addDialog(dialog: Srf.Dialog): void;
  removeDialog(dialog: Srf.Dialog): void;
}
const inner = Srf.prototype as unknown as Inner;

export class GuardedSrf extends Srf {
  /** Told of each request that was kept out. */
  readonly guard = new EventEmitter<{ stranger: [Refused]; foreign: [Refused] }>();
  readonly owners: DialogOwners;
  /** Addresses the SIP server listens on, as it told us: `proto/host:port`. */
  hostports: string[] = [];
  /** INVITEs that wait for an answer of ours, as the library is to find them. */
  private readonly waiting = new Map<string, Pending>();

  constructor(private readonly options: GuardOptions) {
    super();
    this.owners = new DialogOwners(options.trunks);
    this.guardCalls();
    this.guardAnswers();
  }

  /** The connection to the SIP server is gone: nothing that was on its way will be answered. */
  forgetPending(): void {
    this.waiting.clear();
    this.owners.forgetPending();
  }

  /** The library's first step for every request; called from its constructor, before anything of ours is there. */
  dialog(options?: object): Handler {
    const handle = inner.dialog.call(this, options);
    return (req, res, next) => {
      const verdict = this.owners.judge(req);
      if (verdict === 'admit') {
        if (req.method === 'INVITE') this.watch(req, res);
        handle.call(this, req, res, next);
      } else this.keepOut(req, res, verdict);
    };
  }

  addDialog(dialog: Srf.Dialog): void {
    if (this.owners.add(dialog as OwnedDialog)) {
      inner.addDialog.call(this, dialog);
      const destroy = dialog.destroy.bind(dialog) as (...given: unknown[]) => unknown;
      (dialog as unknown as { destroy: typeof destroy }).destroy = (...given) => {
        this.owners.leave(dialog as OwnedDialog);
        return destroy(...given);
      };
    }
    // Cannot be, since nothing is admitted by a name that is taken. Whoever asked for it gets one that has ended.
    else (dialog as unknown as { connected: boolean }).connected = false;
  }

  /** The library would remove whichever dialog has that id now. */
  removeDialog(dialog: Srf.Dialog): void {
    if (!this.owners.has(dialog as OwnedDialog)) return;
    this.owners.remove(dialog as OwnedDialog);
    inner.removeDialog.call(this, dialog);
  }

  /** The SIP server has lost it: whoever has it hears what they would hear of a BYE. */
  lose(dialog: Srf.Dialog): void {
    (dialog as unknown as { connected: boolean }).connected = false;
    this.removeDialog(dialog);
    dialog.emit('destroy');
  }

  /** What we are calling by is taken from the moment on in which it is on its way. */
  private guardCalls(): void {
    const call = this.createUAC.bind(this) as (uri: string, options?: Srf.CreateUACOptions, progress?: Progress) => Promise<Srf.Dialog>;
    const guarded = (uri: string, options?: Srf.CreateUACOptions, progress: Progress = {}): Promise<Srf.Dialog> => {
      let over: Next = () => undefined;
      const asked: string[] = [];
      const cbRequest = (error: unknown, req: Srf.SrfRequest | undefined) => {
        over();
        if (req) {
          over = this.owners.begin(callIdOf(req));
          asked.push(hostIn(req.uri));
          // The library's own listener, which answers with our offer, is put there after this.
          queueMicrotask(() => this.guardUpdates(req, asked));
        }
        progress.cbRequest?.(error, req);
      };
      const cbProvisional = (res: Srf.SrfResponse) => {
        asked.push(res.source_address);
        progress.cbProvisional?.(res);
      };
      return call(uri, options, { ...progress, cbRequest, cbProvisional }).then((dialog) => this.reachable(dialog)).finally(() => over());
    };
    this.createUAC = guarded as never;
  }

  /** UPDATE before the answer to an INVITE: the library finds it by its Call-ID alone, and does not bring it before the guard. */
  private guardUpdates(invite: Srf.SrfRequest, addresses: readonly string[]): void {
    const emitter = invite as unknown as EventEmitter;
    const usual = emitter.listeners('update') as ((req: Srf.SrfRequest, res: Srf.SrfResponse) => void)[];
    emitter.removeAllListeners('update');
    emitter.on('update', (req: Req, res: Srf.SrfResponse) => {
      const verdict = this.owners.judgeEarly(req, addresses);
      if (verdict !== 'admit') return this.keepOut(req, res, verdict);
      if (usual.length === 0) return respond(res, 500, { headers: { 'Retry-After': '5' } });
      for (const listener of usual) listener(req, res);
    });
  }

  /** Nobody hears our ACK at a Contact to which nothing can be sent, nor our BYE: such an answer is none (docs/whose-call.md). */
  private reachable(dialog: Srf.Dialog): Srf.Dialog {
    if (canBeReached((dialog as OwnedDialog).res, this.hostports, true)) return dialog;
    (dialog.destroy() as unknown as Promise<unknown>).catch(() => undefined);
    throw Object.assign(new Error('nothing can be sent to the Contact of the answer'), { status: 500 });
  }

  /** An INVITE that is accepted becomes a dialog when the SIP server has said so: until then its name is taken as well. */
  private guardAnswers(): void {
    const answer = this.createUAS.bind(this) as (req: Srf.SrfRequest, res: Srf.SrfResponse, options: Srf.CreateUASOptions) => Promise<Srf.Dialog>;
    const guarded = (req: Srf.SrfRequest, res: Srf.SrfResponse, options: Srf.CreateUASOptions): Promise<Srf.Dialog> => {
      const over = this.owners.begin(callIdOf(req));
      return answer(req, res, options).finally(over);
    };
    this.createUAS = guarded as never;
  }

  private watch(req: Req, res: Srf.SrfResponse): void {
    // One within a dialog is found by that.
    const over = req.stackDialogId ? () => undefined : this.owners.begin(callIdOf(req));
    const pending = { req, res };
    this.waiting.set(callIdOf(req), pending);
    this.guardUpdates(req, [req.source_address]);
    this.guardCancels(req, pending);
    const done = () => {
      over();
      if (this.waiting.get(callIdOf(req)) === pending) this.waiting.delete(callIdOf(req));
    };
    req.on('cancel', done);
    (res as unknown as EventEmitter).once('finish', done);
  }

  /** A CANCEL means the INVITE of its own branch (RFC 3261 section 9.2); the library brings it to whichever has the Call-ID. */
  private guardCancels(req: Req, pending: Pending): void {
    const emitter = req as unknown as { emit(event: string, ...args: unknown[]): boolean };
    const emit = emitter.emit.bind(req);
    const guarded = (event: string, ...args: unknown[]): boolean => {
      if (event !== 'cancel' || branchOf(args[0] as Pick<Req, 'get'>) === branchOf(req)) return emit(event, ...args);
      // The library forgets the INVITE as soon as it has told it.
      queueMicrotask(() => {
        if (this.waiting.get(callIdOf(req)) === pending) req.agent.mapServer.get(req.socket)?.pendingNetworkInvites.set(callIdOf(req), pending);
      });
      return false;
    };
    emitter.emit = guarded;
  }

  private keepOut(req: Req, res: Srf.SrfResponse, verdict: Exclude<Verdict, 'admit'>): void {
    const refused = { method: req.method, address: req.source_address, protocol: req.protocol };
    if (verdict === 'stranger') this.guard.emit('stranger', refused);
    if (verdict === 'foreign') this.guard.emit('foreign', refused);
    const status = req.method === 'ACK' ? undefined : this.answerTo(req, verdict);
    if (status !== undefined) respond(res, status);
    if (req.method === 'INVITE') this.forget(req);
    // The embedded SIP server lets no such BYE through; a real one has ended the dialog at it and will tell of no other.
    // Better a call that ends than a screen that stays lit when its caller is gone.
    const dialog = req.method === 'BYE' && req.stackDialogId ? this.owners.of(req.stackDialogId) : undefined;
    if (dialog) this.lose(dialog);
  }

  /** @returns undefined for no answer at all */
  private answerTo(req: Req, verdict: Exclude<Verdict, 'admit'>): number | undefined {
    switch (verdict) {
      case 'silence': return undefined;
      case 'merged': return req.method === 'INVITE' || req.method === 'SUBSCRIBE' ? 482 : 481;
      case 'foreign': return 403;
      // Within a dialog it is no scanner, and the SIP server lets no other offer through while one has no answer.
      case 'stranger': return this.options.strangers === 'refused' || (req.stackDialogId && req.method === 'INVITE') ? 403 : undefined;
    }
  }

  /** The library keeps each INVITE by its Call-ID until it is answered: this one, in place of one that is to be found there. */
  private forget(req: Req): void {
    const pending = req.agent.mapServer.get(req.socket)?.pendingNetworkInvites;
    const before = this.waiting.get(callIdOf(req));
    if (before) pending?.set(callIdOf(req), before);
    else pending?.delete(callIdOf(req));
  }
}

const branchOf = (message: Pick<Srf.SrfRequest, 'get'>): string => /;\s*branch\s*=\s*([^\s;,]+)/i.exec(message.get('Via'))?.[1] ?? '';
