/** What an authentication plugin said, after its token was decrypted, verified and checked. Times are ours, at reception. */
export type VerifiedResult =
  | {
      readonly status: 'success';
      readonly attributes: Readonly<Record<string, string>>;
      /** Name of the authentication plugin whose key verified the token. */
      readonly authMethod: string;
      readonly verifiedAt: Date;
      /** Where the plugin wants to hear of the session; may not be public. */
      readonly sessionUrl?: string;
    }
  | { readonly status: 'failed'; readonly authMethod: string; readonly verifiedAt: Date; readonly sessionUrl?: string };
