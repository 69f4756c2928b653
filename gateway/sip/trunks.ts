/** Trunks: the PBXs and carriers we exchange calls with. For now a trunk is a list of addresses. */
import type { Config } from '../../config/index.js';
import { AddressGroups } from '../engines/sip-stack/index.js';

export type TrunkConfig = Config['trunks'][number];

/**
 * Finds the trunk an address belongs to.
 * The most specific listed address wins, so that one PBX inside a listed network can have settings of its own.
 */
export class Trunks {
  private readonly groups: AddressGroups<TrunkConfig>;

  constructor(trunks: readonly TrunkConfig[]) {
    this.groups = new AddressGroups(trunks.map((trunk) => ({ group: trunk, addresses: trunk.addresses })));
  }

  /** @returns the trunk that lists this address, or undefined for a stranger. */
  of(address: string): TrunkConfig | undefined {
    return this.groups.of(address);
  }
}
