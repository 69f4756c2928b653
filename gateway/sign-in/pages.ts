import { html, type Html } from '../../core-bridge/html.js';
import { pageFrame } from './page-frame.js';
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
  /** The sign-in is for this frame, and this page in a tab. */
  readonly frame?: string;
  /** Tenants with a login page of their own. */
  readonly organisations: readonly { readonly displayName: string; readonly path: string }[];
}

export function loginPage(look: Look, { path, local, oidc, next, framed, frame, organisations }: LoginMatter): string {
  const words = texts[look.language];
  const query = next === undefined ? '' : `?next=${encodeURIComponent(next)}`;
  const another = look.problem === 'account_unknown' || look.problem === 'no_role' || look.problem === 'provider_denied';
  const providerAt = (given: Readonly<Record<string, string>>): string => {
    const asked = new URLSearchParams({ ...given, ...(frame !== undefined && { frame }), ...(next !== undefined && { next }) });
    return `${path}/login/oidc${asked.size > 0 ? `?${asked.toString()}` : ''}`;
  };
  const byProvider = html`<a class="button primary" href="${providerAt({})}"${inTab(framed)}>${fill(words.byProvider, { provider: look.provider ?? words.provider })}</a>`;
  return page(look, words.login, html`
<p>${words.intro}</p>
${problem(look)}
${!oidc ? '' : framed ? byTab(look, { path, next, fresh: false }, byProvider) : byProvider}
${oidc && another && !framed ? html`<a class="button" href="${providerAt({ other: '1' })}">${words.otherAccount}</a>` : ''}
${oidc && local ? html`<p class="or">${words.or}</p>` : ''}
${local ? html`<form method="post" action="${path}/login">
<label for="name">${words.name}</label>
<input id="name" name="name" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required${oidc ? '' : html` autofocus`}>
<label for="password">${words.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required>
${next === undefined ? '' : html`<input name="next" type="hidden" value="${next}">`}
<button type="submit"${oidc ? '' : html` class="primary"`}>${words.submit}</button>
</form>` : ''}
${oidc && frame === undefined ? html`<p><a href="${path}/logged-out">${fill(words.logoutAtProvider, { provider: look.provider ?? words.provider })}</a></p>` : ''}
${organisations.length === 0 ? '' : html`<h2>${words.organisations}</h2>
<ul>${organisations.map((one) => html`<li><a href="${one.path}/login${query}">${one.displayName}</a></li>`)}</ul>`}`, { script: framed && oidc ? '/sign-in/assets/framed.js' : undefined });
}

/**
 * Goes on to another page by itself. A redirect would not do where the way began at another site: a browser sends no
 * SameSite=Strict cookie along it, but does when a page of ours asks.
 */
export function onwardPage(look: Look, to: string): string {
  const words = texts[look.language];
  return page(look, words.login, html`<p><a class="button primary" href="${to}">${words.goOn}</a></p>`, { onwardTo: to });
}

/** In a frame: the way to the provider, with what the script tells the person meanwhile. */
function byTab(look: Look, { path, next, fresh }: { path: string; next?: string | undefined; fresh: boolean }, link: Html): Html {
  const words = texts[look.language];
  const provider = look.provider ?? words.provider;
  return html`<div id="by-tab" data-path="${path}" data-next="${next ?? ''}" data-fresh="${fresh ? '1' : ''}" data-waiting="${fill(words.tabWaiting, { provider })}" data-blocked="${words.tabBlocked}" data-late="${words.tabLate}">
${link}
<p id="by-tab-note">${words.tabNote}</p>
<p id="by-tab-status" role="status"></p>
</div>`;
}

/** The tab that a frame opens: its script asks the frame who it is, and goes on to the provider. */
export function tabPage(look: Look, { path, fresh }: { path: string; fresh: boolean }): string {
  const words = texts[look.language];
  const to = `${path}/login/oidc${fresh ? '?other=1' : ''}`;
  return page(look, words.login, html`<p id="onward" data-onward="${to}"><a class="button primary" href="${to}">${words.goOn}</a></p>`, { script: '/sign-in/assets/tab.js' });
}

/** The sign-in in a tab is done, and the frame goes on. */
export function handedOverPage(look: Look): string {
  const words = texts[look.language];
  return page(look, words.signedIn, html`<p>${words.handedOver}</p>`);
}

export interface UnlockMatter {
  readonly person: Principal;
  readonly path: string;
  readonly framed: boolean;
}

export function unlockPage(look: Look, { person, path, framed }: UnlockMatter): string {
  const words = texts[look.language];
  const byProvider = html`<a class="button primary" href="${path}/unlock/oidc">${fill(words.unlockByProvider, { provider: look.provider ?? words.provider })}</a>`;
  return page(look, words.lockedTitle, html`
<p>${fill(words.lockedBy, { name: person.displayName })}</p>
${problem(look)}
${person.by === 'oidc'
    ? framed ? byTab(look, { path, fresh: true }, byProvider) : byProvider
    : html`<form method="post" action="/unlock">
<label for="password">${words.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required autofocus>
<button type="submit" class="primary">${words.unlock}</button>
</form>`}
<form method="post" action="/logout"><button type="submit">${words.logout}</button></form>`, { script: framed && person.by === 'oidc' ? '/sign-in/assets/framed.js' : undefined });
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
<p><a class="button" href="${path}/login">${words.toLogin}</a></p>`, { onwardTo: goesOn ? providerUrl?.href : undefined });
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

function page({ language }: Look, title: string, matter: Html, extra: { onwardTo?: string | undefined; script?: string | undefined } = {}): string {
  return pageFrame({ language, title, styles: ['/sign-in/assets/sign-in.css'], icon: '/sign-in/assets/icon.svg', matter: html`<h1>${title}</h1>\n${matter}`, ...extra });
}
