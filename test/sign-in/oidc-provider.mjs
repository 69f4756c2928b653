// A real OpenID Connect provider (npm's oidc-provider, certified) in a process of its own, with its own login form.
// Settings as JSON in the first argument: { port, clientId, clientSecret, redirectUris, postLogoutRedirectUris, backchannelLogoutUri, people }.
// `people` maps the login that is typed to the claims it gets; whatever password is typed is right.
import { Provider } from 'oidc-provider';

const { port, clientId, clientSecret, redirectUris, postLogoutRedirectUris, backchannelLogoutUri, people } = JSON.parse(process.argv[2]);
const claimNames = ['preferred_username', 'oid', 'roles', 'realm_access', 'email', 'email_verified'];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId, client_secret: clientSecret, redirect_uris: redirectUris, post_logout_redirect_uris: postLogoutRedirectUris,
    ...(backchannelLogoutUri && { backchannel_logout_uri: backchannelLogoutUri, backchannel_logout_session_required: true }),
  }],
  features: { backchannelLogout: { enabled: true } },
  // By itself it posts to no address of its own machine (a guard against SSRF); ours are all there.
  fetch: (url, { dispatcher: _guarded, ...options }) => fetch(url, options),
  claims: { openid: ['sub'], profile: claimNames },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: ['for tests alone'] },
  findAccount: (_ctx, sub) => (Object.hasOwn(people, sub) ? { accountId: sub, claims: () => ({ sub, ...people[sub] }) } : undefined),
});
// What a test may want to know of: how we answered.
provider.on('backchannel.success', () => console.log('backchannel success'));
provider.on('backchannel.error', (_ctx, error) => console.log(`backchannel error: ${error.message}`));
provider.listen(port, '127.0.0.1', () => console.log('listening'));
