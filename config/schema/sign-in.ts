import { z } from 'zod';
import { baseUrl, faulty, fileName, label, secretText, withFiles } from './values.js';

/** What somebody may do on the agents' listener; gateway/sign-in guards the pages with these. */
export const accountRoles = ['agent', 'supervisor', 'auditor', 'admin'] as const;
export const accountRole = z.enum(accountRoles);

/** Tokens come from there, so it must be encrypted; on this machine itself it need not be. */
const issuer = baseUrl.refine((text) => isSafeIssuer(text), faulty('is not https', 'Give the https address of the provider; http is for one on this machine alone'));

function isSafeIssuer(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
}

const claim = z.string().min(1).max(255);

const oidc = withFiles(
  {
    issuer: issuer.describe('Issuer of the provider, as its discovery document (`/.well-known/openid-configuration`) names it.'),
    clientId: z.string().min(1).max(255).describe('Our client id at the provider.'),
    clientSecret: secretText.optional().describe('Our client secret.'),
    clientSecretFile: fileName.optional().describe('File with that secret, relative to the configuration file.'),
    scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/)).min(1).max(20).default(['openid', 'profile']).describe('Scopes that are asked for; openid is always among them.'),
    agentClaim: claim.default('preferred_username').describe('Claim of the ID token that says which account this is: it must equal `agents[].signInAs`, or the name if that is left out. Take one that people cannot change and that is never given to somebody else.'),
    rolesClaim: claim.optional().describe('Claim of the ID token that lists roles or groups; a dot leads into a group, as in realm_access.roles. None: roles are as the configuration gives them.'),
    roles: z
      .record(z.string().min(1).max(255), z.array(accountRole).min(1).max(accountRoles.length))
      .default({})
      .describe('What each value of rolesClaim stands for. With rolesClaim the provider decides: who has no value that stands here is refused.'),
    logoutAtProvider: z.boolean().default(false).describe('Whether logging out here goes on to logging out at the provider (RP-initiated logout). False: people are offered to.'),
    label: label.optional().describe('What the provider is called on the login page; a general word if left out.'),
  },
  [{ inline: 'clientSecret', file: 'clientSecretFile', required: true }],
);

/** How the people of one tenant get in. */
export const signIn = z
  .strictObject({
    local: z.boolean().default(true).describe('Whether people may sign in with the passwords of this file.'),
    oidc: oidc.optional().describe('Sign-in by OpenID Connect. None: passwords only.'),
    idleLockSeconds: z.int().min(30).max(86_400).optional().describe('Without a touch of keyboard or mouse for this long, the screen is locked; never during a call. None: only people lock it.'),
    idleTimeoutSeconds: z.int().min(60).max(86_400).default(1_800).describe('The same, and the login ends.'),
    maxSessionSeconds: z.int().min(300).max(604_800).default(43_200).describe('A login ends after this long however active somebody is; never during a call.'),
  })
  .prefault({})
  .describe('How people get in.');

/** Who an account is at the provider. */
export const signInAs = z.string().min(1).max(255);
