import type { Account, Principal, ProvedBy, Role } from './principal.js';

/** The accounts of the configuration as it is now, by login name and by the value of a provider's claim. */
export class Accounts {
  #byName: ReadonlyMap<string, Account> = new Map();
  /** By tenant and value: what one municipality's provider says opens no account of another. */
  #byClaim: ReadonlyMap<string, ReadonlyMap<string, Account>> = new Map();

  constructor(accounts: readonly Account[]) {
    this.replace(accounts);
  }

  /** These are the accounts from now on. */
  replace(accounts: readonly Account[]): void {
    const byClaim = new Map<string, Map<string, Account>>();
    for (const account of accounts) {
      const ofTenant = byClaim.get(account.tenant) ?? new Map<string, Account>();
      byClaim.set(account.tenant, ofTenant.set(account.signInAs, account));
    }
    this.#byName = new Map(accounts.map((account) => [account.name, account]));
    this.#byClaim = byClaim;
  }

  byName(name: string): Account | undefined {
    return this.#byName.get(name);
  }

  /** Whether logins of this account would still be its own: it may have been replaced since it was looked up. */
  isStill({ name, tenant, stamp }: Account): boolean {
    const now = this.#byName.get(name);
    return now?.tenant === tenant && now.stamp === stamp;
  }

  byClaim(tenant: string, value: string): Account | undefined {
    return this.#byClaim.get(tenant)?.get(value);
  }

  /** Somebody's account, to check a password against where there is none under the name that was given. */
  get any(): Account | undefined {
    return this.#byName.values().next().value;
  }

  /** Who a login stands for now; undefined when the account is gone or not what it was when the login began. */
  principalOf({ name, tenant, by, roles, stamp }: { name: string; tenant: string; by: ProvedBy; roles: readonly Role[]; stamp: string }): Principal | undefined {
    const account = this.#byName.get(name);
    if (!account || account.tenant !== tenant || account.stamp !== stamp) return undefined;
    return { name, displayName: account.displayName, tenant, roles, by };
  }
}
