/** Who may say what to this server: asked for every request before anything else is done with it. */
import { isIP } from 'node:net';
import { AddressGroups, contactsHaveHosts, parseSipUri, type Admission, type SipMessage, type Source } from '../sip-stack/index.js';
import type { Dialog, DialogTable } from './dialogs.js';

/** One peer: all addresses it sends from. */
export interface SipPeer {
  readonly name: string;
  /** Addresses and CIDR ranges. */
  readonly addresses: readonly string[];
}

export interface DoorOptions {
  /** Who may begin something. Left out: everybody, and anybody may go on with what anybody began. */
  readonly peers?: readonly SipPeer[];
  /** What others hear: nothing, or 403 once. */
  readonly strangers?: 'silent' | 'refused';
  /** Told of each request that was kept out. */
  readonly onStranger?: (method: string, source: Source) => void;
}

/**
 * Only listed peers begin something here, and only who is in a dialog goes on with it: the peer whose request made it,
 * or whom we asked, by the address that a packet really has. Call-ID and tags prove nothing: they stand in logs.
 */
export class Door {
  private readonly peers: AddressGroups<SipPeer> | undefined;

  constructor(private readonly options: DoorOptions, private readonly dialogs: DialogTable) {
    this.peers = options.peers && new AddressGroups(options.peers.map((peer) => ({ group: peer, addresses: peer.addresses })));
  }

  admit(request: SipMessage, source: Source): Admission {
    // Nobody could ever be reached there, and the real server does not survive an answer (docs/docker.md).
    if (request.method !== 'REGISTER' && !contactsHaveHosts(request)) return this.silence(source);
    if (this.peers === undefined) return 'admit';
    const peer = this.peers.of(source.address);
    const dialog = request.toTag === '' ? undefined : this.dialogs.forRequest(request);
    if (dialog !== undefined) {
      if (this.isOf(dialog, source.address)) return 'admit';
      if (peer !== undefined) return 403;
    } else if (peer !== undefined) return 'admit';
    if (request.method !== 'ACK') this.options.onStranger?.(request.method!, source);
    return this.options.strangers === 'refused' ? 403 : this.silence(source);
  }

  /** Whether two addresses are one peer's. */
  same(one: string, other: string): boolean {
    if (this.peers === undefined || one === other) return true;
    const peer = this.peers.of(one);
    return peer !== undefined && peer === this.peers.of(other);
  }

  /** Whether this address is a peer's, or has part in a dialog. */
  knows(address: string): boolean {
    if (this.peers === undefined || this.peers.of(address) !== undefined) return true;
    for (const dialog of this.dialogs.values()) if (this.isOf(dialog, address)) return true;
    return false;
  }

  private isOf(dialog: Dialog, address: string): boolean {
    return partyOf(dialog).some((known) => this.same(known, address));
  }

  private silence(source: Source): Admission {
    source.connection?.socket.destroy();
    return 'silence';
  }
}

/**
 * Where the other side of a dialog sends from. Of a caller: where its INVITE came from, and nothing that it says. Of whom
 * we called: where we sent to, and the address that the one who answered there has named for what follows.
 */
function partyOf(dialog: Dialog): string[] {
  if (dialog.role === 'uas') return [dialog.from];
  const asked = dialog.clientCreator?.endpoint?.address;
  const named = parseSipUri(dialog.path.target)?.host ?? '';
  return [...(asked === undefined ? [] : [asked]), ...(isIP(named) === 0 ? [] : [named])];
}
