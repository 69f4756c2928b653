/**
 * Who is who at the phones: which agent an address or a reported identity belongs to, and where a call may be passed on.
 */
import type { Tenant } from '../../config/index.js';
import { hostOf, userOf, type ConnectedParty } from '../sip/connected-party.js';
import { serviceOf } from '../sip/services.js';

export type Destination =
  | { readonly kind: 'agent'; readonly name: string }
  | { readonly kind: 'service'; readonly name: string }
  /** A number that the site lets agents call, as it is dialled. */
  | { readonly kind: 'outside'; readonly number: string };

/** Longest number that is looked at. */
const maxNumber = 20;

export class Directory {
  private readonly byPhone = new Map<string, string>();
  private readonly byIdentity = new Map<string, string>();

  constructor(private readonly tenant: Pick<Tenant, 'agents' | 'services' | 'outside'>) {
    for (const { name, phone, identities } of tenant.agents) {
      if (phone !== undefined) this.byPhone.set(addressOf(phone), name);
      for (const identity of identities) this.byIdentity.set(/^sips?:/i.test(identity) ? addressOf(identity) : plain(identity), name);
    }
  }

  /** The agent at this SIP address: their phone's, or one of their identities. */
  agentAt(uri: string): string | undefined {
    const address = addressOf(uri);
    return this.byPhone.get(address) ?? this.byIdentity.get(address) ?? this.byIdentity.get(plain(userOf(uri)));
  }

  /**
   * The agent whom a PBX reports. Several addresses must not name several agents: then nobody is believed to be there.
   * @returns undefined for somebody else
   */
  agentReported({ uris }: ConnectedParty): string | undefined {
    const found = new Set(uris.map((uri) => this.agentAt(uri)).filter((name) => name !== undefined));
    return found.size === 1 ? [...found][0] : undefined;
  }

  /** Where a phone's REFER leads (RFC 3515 section 2.1); undefined where it may not lead. */
  destinationOf(uri: string): Destination | undefined {
    const agent = this.agentAt(uri);
    if (agent !== undefined) return { kind: 'agent', name: agent };
    return this.destinationOfNumber(userOf(uri));
  }

  /** The same for a number somebody typed. */
  destinationOfNumber(text: string): Destination | undefined {
    const number = text.replace(/[\s().-]/g, '');
    if (number.length > maxNumber || !/^\+?[0-9*#]+$/.test(number)) return undefined;
    const agent = this.byIdentity.get(plain(number));
    if (agent !== undefined) return { kind: 'agent', name: agent };
    const service = serviceOf(this.tenant.services.map(({ name, numbers }) => ({ name, numbers: numbers.filter((own) => own !== '*') })), number);
    if (service) return { kind: 'service', name: service.name };
    const allowed = this.tenant.outside?.allowed.some((beginning) => number.startsWith(beginning)) ?? false;
    return allowed && /^\+?[0-9]+$/.test(number) ? { kind: 'outside', number } : undefined;
  }
}

/** A SIP address without scheme and parameters, its host in lower case (RFC 3261 section 19.1.4), its default port left out. */
function addressOf(uri: string): string {
  return `${userOf(uri)}@${hostOf(uri).replace(/:5060$/, '')}`;
}

function plain(identity: string): string {
  return identity.replace(/[\s().-]/g, '').toLowerCase();
}
