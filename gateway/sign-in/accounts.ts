import type { Account, Principal, ProvedBy, Role } from './principal.js';

/** The accounts of the configuration, by login name and by the value of a provider's claim. */
export class Accounts {
  readonly #byName: ReadonlyMap<string, Account>;
  /** By tenant and value: what one municipality's provider says opens no account of another. */
  readonly #byClaim = new Map<string, Map<string, Account>>();

  constructor(accounts: readonly Account[]) {
    this.#byName = new Map(accounts.map((account) => [account.name, account]));
    for (const account of accounts) {
      const ofTenant = this.#byClaim.get(account.tenant) ?? new Map<string, Account>();
      this.#byClaim.set(account.tenant, ofTenant.set(account.signInAs, account));
    }
  }

  byName(name: string): Account | undefined {
    return this.#byName.get(name);
  }

  byClaim(tenant: string, value: string): Account | undefined {
    return this.#byClaim.get(tenant)?.get(value);
  }

  /** Somebody's account, to check a password against where there is none under the name that was given. */
  get any(): Account | undefined {
    return this.#byName.values().next().value;
  }

  /** Who a login stands for now; undefined when the account is gone, or not what it was when the login began. */
  principalOf({ name, tenant, by, roles, stamp }: { name: string; tenant: string; by: ProvedBy; roles: readonly Role[]; stamp: string }): Principal | undefined {
    const account = this.#byName.get(name);
    if (!account || account.tenant !== tenant || account.stamp !== stamp) return undefined;
    return { name, displayName: account.displayName, tenant, roles, by };
  }
}
