/** What somebody may do here; one account may have several. */
export const roles = ['agent', 'supervisor', 'auditor', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Somebody who has signed in, as the rooms behind the door know them. */
export interface Principal {
  /** As in the configuration; unique over all tenants. */
  readonly name: string;
  readonly displayName: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  /** How they proved who they are. */
  readonly by: 'password' | 'oidc';
}

/** An account of the configuration. */
export interface Account {
  readonly name: string;
  readonly displayName: string;
  readonly tenant: string;
  readonly roles: readonly Role[];
  /** Slow and constant in time for whatever is given (see config/password.ts). */
  checkPassword(password: string): Promise<boolean>;
}
