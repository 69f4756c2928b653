/**
 * Whose dialog it is: the half of docs/whose-call.md that signalling keeps. Call-ID and tags name a dialog and prove
 * nothing, since they stand in logs; what proves something is where a packet comes from.
 */
import { isIP } from 'node:net';
import type Srf from 'drachtio-srf';
import { contactHasHost, parseSipUri, splitList } from '../engines/sip-stack/index.js';
import type { TrunkConfig, Trunks } from './trunks.js';

/** A dialog as the library makes it; its types leave the response out. */
export type OwnedDialog = Srf.Dialog & { readonly id: string; readonly res: Pick<Srf.SrfResponse, 'source_address' | 'has' | 'get'> };

/** What becomes of a request: `silence` is no answer at all, `stranger` whatever strangers are given, `merged` 482, or 481 within a dialog. */
export type Verdict = 'admit' | 'silence' | 'stranger' | 'foreign' | 'merged';

/** The other side of a dialog. */
interface Party {
  readonly trunk: TrunkConfig | undefined;
  readonly addresses: readonly string[];
}

/** A dialog that lives, whose it is, and what it is for. */
interface Owned {
  readonly dialog: OwnedDialog;
  readonly party: Party;
  /** When it came to be, by the process's clock. */
  readonly since: number;
  /** Whether something here wants it still; undefined as long as nobody has said what it is for. */
  isNeeded?: () => boolean;
  /** The call whose it is. */
  callId?: () => string | undefined;
  /** When its BYE was sent, by the process's clock. */
  leftAt?: number;
}

/** A BYE is repeated for this long when nobody answers (RFC 3261 section 17.1.2.2: 64 times T1), in ms, and a little. */
const byeMs = 40_000;

type Arriving = Pick<Srf.SrfRequest, 'method' | 'source' | 'source_address' | 'has' | 'get' | 'getParsedHeader'> & { readonly stackDialogId?: string };

export class DialogOwners {
  private readonly dialogs = new Map<string, Owned>();
  private readonly byCallId = new Map<string, Set<OwnedDialog>>();
  /** INVITEs that are not over yet, theirs and ours, by Call-ID. */
  private readonly pending = new Map<string, Set<object>>();

  constructor(private readonly trunks: Trunks) {}

  /** @returns false for one that would take another one's place, which stays */
  add(dialog: OwnedDialog): boolean {
    if (this.dialogs.has(dialog.id)) return false;
    this.dialogs.set(dialog.id, { dialog, party: this.partyOf(dialog), since: performance.now() });
    add(this.byCallId, dialog.sip.callId, dialog);
    return true;
  }

  remove(dialog: OwnedDialog): void {
    if (this.dialogs.get(dialog.id)?.dialog !== dialog) return;
    this.dialogs.delete(dialog.id);
    remove(this.byCallId, dialog.sip.callId, dialog);
  }

  /** The dialog that lives by this id of the SIP server's. */
  of(id: string): OwnedDialog | undefined {
    return this.dialogs.get(id)?.dialog;
  }

  has(dialog: OwnedDialog): boolean {
    return this.dialogs.get(dialog.id)?.dialog === dialog;
  }

  /** Dialogs that live, by the SIP server's ids. */
  ids(): IterableIterator<string> {
    return this.dialogs.keys();
  }

  /** Says what a dialog is for. @param isNeeded false from the moment on in which it ought to be over */
  hold(dialog: OwnedDialog, isNeeded: () => boolean, callId?: () => string | undefined): void {
    const owned = this.dialogs.get(dialog.id);
    if (owned?.dialog === dialog) Object.assign(owned, { isNeeded, callId });
  }

  /** The call whose dialog lives by this id, where somebody has said so. */
  callOf(id: string): string | undefined {
    return this.dialogs.get(id)?.callId?.();
  }

  /** Its BYE is on its way. */
  leave(dialog: OwnedDialog): void {
    const owned = this.dialogs.get(dialog.id);
    if (owned?.dialog === dialog) owned.leftAt ??= performance.now();
  }

  /** Dialogs that nothing here wants any more, or ever said it wanted, and that nobody has ended. */
  *strays(): Iterable<OwnedDialog> {
    for (const owned of this.dialogs.values()) if (!owned.isNeeded?.() && !isLeaving(owned) && !isBeingMade(owned)) yield owned.dialog;
  }

  /** Dialogs that are up and not about to end. */
  *settled(): Iterable<OwnedDialog> {
    for (const owned of this.dialogs.values()) if (!isLeaving(owned)) yield owned.dialog;
  }

  forgetPending(): void {
    this.pending.clear();
  }

  /**
   * An INVITE is on its way, in or out: until it is over nothing else may come by its name.
   * @returns to be called when it is over; may be called twice
   */
  begin(callId: string): () => void {
    const invite = {};
    add(this.pending, callId, invite);
    return () => remove(this.pending, callId, invite);
  }

  /** Asked for every request before anything else is done with it. */
  judge(req: Arriving): Verdict {
    // What the SIP server itself did, such as a BYE for want of an ACK.
    if (req.source !== 'network') return 'admit';
    // Whoever answers such a request kills drachtio-server up to 0.9.10 (docs/docker.md); nobody could be reached there anyway.
    if (req.has('Contact') && !splitList(req.get('Contact')).every(contactHasHost)) return 'silence';
    const trunk = this.trunks.of(req.source_address);
    const owned = req.stackDialogId ? this.dialogs.get(req.stackDialogId) : undefined;
    if (owned) {
      if (!this.isOf(owned.party, req.source_address, trunk)) return trunk ? 'foreign' : 'stranger';
      return isWithin(req, owned.dialog) ? 'admit' : 'merged';
    }
    // One that the SIP server knows and we do not: it has just come to be, or to its end. No call begins within it.
    if (req.stackDialogId && req.method !== 'INVITE') return 'admit';
    if (!trunk) return 'stranger';
    if (req.stackDialogId) return 'merged';
    return (req.method === 'INVITE' || req.method === 'SUBSCRIBE') && this.isTaken(req) ? 'merged' : 'admit';
  }

  /**
   * Asked for a request that belongs to an INVITE which has no answer yet.
   * @param addresses where that came from, or went to
   */
  judgeEarly(req: Pick<Arriving, 'source_address'>, addresses: readonly string[]): 'admit' | 'stranger' | 'foreign' {
    const trunk = this.trunks.of(req.source_address);
    const party = { addresses, trunk: addresses.map((address) => this.trunks.of(address)).find((listed) => listed !== undefined) };
    if (this.isOf(party, req.source_address, trunk)) return 'admit';
    return trunk ? 'foreign' : 'stranger';
  }

  /**
   * Whether an INVITE comes by the name of what lives already: of a dialog, by either side's tag, or of another INVITE
   * that is not answered, by its Call-ID alone, since the library finds a CANCEL's INVITE by nothing else.
   */
  private isTaken(req: Arriving): boolean {
    if (this.pending.has(callIdOf(req))) return true;
    const tag = tagOf(req, 'From');
    for (const { sip } of this.byCallId.get(callIdOf(req)) ?? []) if (sip.localTag === tag || sip.remoteTag === tag) return true;
    return false;
  }

  private isOf(party: Party, address: string, trunk: TrunkConfig | undefined): boolean {
    return party.addresses.includes(address) || (trunk !== undefined && trunk === party.trunk);
  }

  /**
   * Of a caller: the trunk that the INVITE came from, and nothing that it says. Of whom we called: where the answer came
   * from, which only who got our INVITE can give, and the address named there for what follows.
   */
  private partyOf(dialog: OwnedDialog): Party {
    if (dialog.type === 'uas') {
      const address = dialog.req.source_address;
      return { trunk: this.trunks.of(address), addresses: [address] };
    }
    const { res } = dialog;
    const addresses = [res.source_address, hostIn(dialog.req.uri), hostIn(uriOf(res))].filter((address) => isIP(address) !== 0);
    return { trunk: addresses.map((address) => this.trunks.of(address)).find((trunk) => trunk !== undefined), addresses };
  }
}

export const callIdOf = (req: Pick<Srf.SrfRequest, 'get'>): string => req.get('Call-ID');
const tagOf = (req: Pick<Srf.SrfRequest, 'getParsedHeader'>, name: 'From' | 'To'): string => String(req.getParsedHeader(name).params?.['tag'] ?? '');

/** By both tags (RFC 3261 section 12.2.2). SIP servers are content with one, or with both the wrong way round: our own request come back. */
const isWithin = (req: Pick<Srf.SrfRequest, 'getParsedHeader'>, { sip }: OwnedDialog): boolean => tagOf(req, 'To') === sip.localTag && tagOf(req, 'From') === (sip.remoteTag ?? '');

const isLeaving = ({ leftAt }: Owned): boolean => leftAt !== undefined && performance.now() - leftAt < byeMs;

/** The library gives an endpoint's event socket four seconds to come, in ms; this is longer than that, and than the end of its dialog. */
const makingMs = 60_000;

/** An endpoint's dialog is the library's until its event socket has come; it ends one whose socket does not come. */
const isBeingMade = ({ isNeeded, dialog, since }: Owned): boolean => !isNeeded && performance.now() - since < makingMs && dialog.type === 'uac' && dialog.req.has('User-Agent') && dialog.req.get('User-Agent').startsWith('drachtio-fsmrf:');

/** The host of an address, without its port. */
export const hostIn = (uri: string): string => parseSipUri(uri)?.host ?? '';

function uriOf(res: OwnedDialog['res']): string {
  return res.has('Contact') ? (/<([^<>]*)>/.exec(res.get('Contact'))?.[1] ?? res.get('Contact')) : '';
}

function add<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): void {
  map.set(key, (map.get(key) ?? new Set<Value>()).add(value));
}

function remove<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): void {
  const set = map.get(key);
  if (set?.delete(value) && set.size === 0) map.delete(key);
}
