/** What somebody may do here; one account may have several. */
export const roles = ['agent', 'supervisor', 'auditor', 'admin'] as const;
export type Role = (typeof roles)[number];

/** How somebody proved who they are. */
export type ProvedBy = 'password' | 'oidc';

/** Somebody who has signed in, as the rooms behind the door know them. */
export interface Principal {
  /** As in the configuration; unique over all tenants. */
  readonly name: string;
  readonly displayName: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  readonly by: ProvedBy;
}

/** An account of the configuration. */
export interface Account {
  readonly name: string;
  readonly displayName: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  /** Whether this account may be an agent at all, if a provider says so: calls need a phone. */
  readonly hasPhone: boolean;
  /** Value of the provider's claim that stands for this account. */
  readonly signInAs: string;
  /** Changes with everything in the configuration that a login rests on; a login under another one is void. */
  readonly stamp: string;
  /** Slow and constant in time for whatever is given (see config/password.ts). */
  checkPassword(password: string): Promise<boolean>;
}
