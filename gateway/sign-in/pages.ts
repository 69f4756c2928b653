import { html, type Html } from '../../core-bridge/html.js';
import type { Principal, Role } from './principal.js';
import { fill, texts, type LoginProblem, type PageLanguage } from './texts.js';

/** What a page is drawn with besides its own matter. */
export interface Look {
  readonly language: PageLanguage;
  /** What the tenant's provider is called; undefined: a general word. */
  readonly provider: string | undefined;
  readonly problem?: LoginProblem | undefined;
  readonly retryAfterS?: number;
}

export function problemText({ language, provider, retryAfterS = 0 }: Omit<Look, 'problem'>, problem: LoginProblem): string {
  const words = texts[language];
  const text = fill(words[problem], { provider: provider ?? words.provider, seconds: String(retryAfterS) });
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export interface LoginMatter {
  /** Path before `/login`. */
  readonly path: string;
  readonly local: boolean;
  readonly oidc: boolean;
  /** Page to go to after the login. */
  readonly next: string | undefined;
  /** The page stands in a frame: a provider opens in a window of its own. */
  readonly framed: boolean;
  /** Tenants with a login page of their own. */
  readonly organisations: readonly { readonly displayName: string; readonly path: string }[];
}

export function loginPage(look: Look, { path, local, oidc, next, framed, organisations }: LoginMatter): string {
  const words = texts[look.language];
  const query = next === undefined ? '' : `?next=${encodeURIComponent(next)}`;
  const another = look.problem === 'account_unknown' || look.problem === 'no_role' || look.problem === 'provider_denied';
  const providerLink = (to: string, text: string, isPrimary: boolean): Html => html`<a class="button${isPrimary ? ' primary' : ''}" href="${to}"${inTab(framed)}>${text}</a>`;
  return page(look, words.login, html`
<p>${words.intro}</p>
${problem(look)}
${oidc ? providerLink(`${path}/login/oidc${query}`, fill(words.byProvider, { provider: look.provider ?? words.provider }), true) : ''}
${oidc && another ? providerLink(`${path}/login/oidc?other=1${next === undefined ? '' : `&next=${encodeURIComponent(next)}`}`, words.otherAccount, false) : ''}
${oidc && local ? html`<p class="or">${words.or}</p>` : ''}
${local ? html`<form method="post" action="${path}/login">
<label for="name">${words.name}</label>
<input id="name" name="name" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required${oidc ? '' : html` autofocus`}>
<label for="password">${words.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required>
${next === undefined ? '' : html`<input name="next" type="hidden" value="${next}">`}
<button type="submit"${oidc ? '' : html` class="primary"`}>${words.submit}</button>
</form>` : ''}
${oidc ? html`<p><a href="${path}/logged-out">${fill(words.logoutAtProvider, { provider: look.provider ?? words.provider })}</a></p>` : ''}
${organisations.length === 0 ? '' : html`<h2>${words.organisations}</h2>
<ul>${organisations.map((one) => html`<li><a href="${one.path}/login${query}">${one.displayName}</a></li>`)}</ul>`}`);
}

/**
 * Goes on to another page by itself. A redirect would not do where the way began at another site: a browser sends no
 * SameSite=Strict cookie along it, but does when a page of ours asks.
 */
export function onwardPage(look: Look, to: string): string {
  const words = texts[look.language];
  return page(look, words.login, html`<p><a class="button primary" href="${to}">${words.goOn}</a></p>`, to);
}

export interface UnlockMatter {
  readonly person: Principal;
  readonly path: string;
}

export function unlockPage(look: Look, { person, path }: UnlockMatter): string {
  const words = texts[look.language];
  return page(look, words.lockedTitle, html`
<p>${fill(words.lockedBy, { name: person.displayName })}</p>
${problem(look)}
${person.by === 'oidc'
    ? html`<a class="button primary" href="${path}/unlock/oidc">${fill(words.unlockByProvider, { provider: look.provider ?? words.provider })}</a>`
    : html`<form method="post" action="/unlock">
<label for="password">${words.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required autofocus>
<button type="submit" class="primary">${words.unlock}</button>
</form>`}
<form method="post" action="/logout"><button type="submit">${words.logout}</button></form>`);
}

export interface LoggedOutMatter {
  readonly path: string;
  /** Where the provider lets people log out, too. */
  readonly providerUrl: URL | undefined;
  readonly framed: boolean;
  /** Goes there by itself. A redirect would not do: what a form leads to may be no other site (`form-action`). */
  readonly goesOn: boolean;
}

/** After a logout of somebody who came by the provider, which may know them still. */
export function loggedOutPage(look: Look, { path, providerUrl, framed, goesOn }: LoggedOutMatter): string {
  const words = texts[look.language];
  const provider = look.provider ?? words.provider;
  return page(look, words.loggedOut, html`
<p>${fill(words.loggedOutHere, { provider })}</p>
${providerUrl ? html`<p><a class="button primary" href="${providerUrl.href}"${inTab(framed)}>${fill(words.logoutAtProvider, { provider })}</a></p>` : ''}
<p><a class="button" href="${path}/login">${words.toLogin}</a></p>`, goesOn ? providerUrl?.href : undefined);
}

export function accountPage(look: Look, person: Principal, homes: ReadonlyMap<Role, string>): string {
  const words = texts[look.language];
  return page(look, words.account, html`
<p>${fill(words.youAre, { name: person.displayName })}</p>
<p>${words.yourRoles}</p>
<ul>${person.roles.map((role) => {
    const home = homes.get(role);
    return home === undefined ? html`<li>${words.roles[role]}</li>` : html`<li><a href="${home}">${words.roles[role]}</a></li>`;
  })}</ul>
<form method="post" action="/lock"><button type="submit">${words.lock}</button></form>
<form method="post" action="/logout"><button type="submit">${words.logout}</button></form>`);
}

export function notAllowedPage(look: Look): string {
  const words = texts[look.language];
  return page(look, words.notAllowed, html`<p class="problem" role="alert">${words.notAllowedText}</p>
<p><a class="button" href="/account">${words.account}</a></p>`);
}

/** The store of logins is away, and this browser's login is not known here. */
export function awayPage(look: Look): string {
  const words = texts[look.language];
  return page({ ...look, problem: 'store_away' }, words.awayTitle, html`${problem({ ...look, problem: 'store_away' })}`);
}

/** A provider lets nobody frame it: from a frame, the way there leads into a tab. */
const inTab = (framed: boolean): Html | string => (framed ? html` target="_blank" rel="noopener"` : '');

function problem(look: Look): Html {
  return html`<p class="problem" role="alert">${look.problem ? problemText(look, look.problem) : ''}</p>`;
}

function page({ language }: Look, title: string, matter: Html, onwardTo?: string): string {
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${onwardTo === undefined ? '' : html`<meta http-equiv="refresh" content="0; url=${onwardTo}">`}
<title>${title}</title>
<link rel="icon" href="/sign-in/assets/icon.svg">
<link rel="stylesheet" href="/sign-in/assets/sign-in.css">
</head>
<body>
<main>
<h1>${title}</h1>
${matter}
</main>
</body>
</html>
`.text;
}
