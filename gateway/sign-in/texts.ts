import type { Role } from './principal.js';

export type PageLanguage = 'nl' | 'en';

/** Why somebody is (still) not in; also the stable `error` of the answer to a program. */
export type LoginProblem =
  | 'login_failed' | 'login_incomplete' | 'login_too_often' | 'login_busy' | 'store_away'
  | 'provider_unreachable' | 'provider_denied' | 'provider_refused' | 'provider_too_late' | 'account_unknown' | 'no_role' | 'other_person' | 'not_fresh';

export interface Texts extends Readonly<Record<LoginProblem, string>> {
  readonly login: string;
  readonly intro: string;
  readonly name: string;
  readonly password: string;
  readonly submit: string;
  /** {provider} */
  readonly byProvider: string;
  readonly provider: string;
  readonly otherAccount: string;
  readonly again: string;
  readonly or: string;
  readonly organisations: string;
  readonly goOn: string;
  readonly signedIn: string;
  readonly lockedTitle: string;
  /** {name} */
  readonly lockedBy: string;
  readonly unlock: string;
  readonly unlockByProvider: string;
  readonly logout: string;
  readonly lock: string;
  readonly loggedOut: string;
  readonly loggedOutHere: string;
  /** {provider} */
  readonly logoutAtProvider: string;
  readonly toLogin: string;
  readonly account: string;
  /** {name} */
  readonly youAre: string;
  readonly yourRoles: string;
  readonly notAllowed: string;
  readonly notAllowedText: string;
  readonly awayTitle: string;
  /** In a frame: what the way to the provider does. */
  readonly tabNote: string;
  /** {provider} */
  readonly tabWaiting: string;
  readonly tabBlocked: string;
  readonly tabLate: string;
  readonly handedOver: string;
  readonly roles: Readonly<Record<Role, string>>;
}

export const texts: Readonly<Record<PageLanguage, Texts>> = {
  nl: {
    login: 'Aanmelden', intro: 'Telefoonscherm voor medewerkers', name: 'Gebruikersnaam', password: 'Wachtwoord', submit: 'Aanmelden',
    byProvider: 'Aanmelden met {provider}', provider: 'uw organisatie', otherAccount: 'Aanmelden met een ander account', again: 'Opnieuw proberen', or: 'of',
    organisations: 'Aanmelden bij uw organisatie', goOn: 'Verder', signedIn: 'U bent aangemeld',
    lockedTitle: 'Vergrendeld', lockedBy: 'Aangemeld als {name}. Toon opnieuw aan dat u het bent om verder te gaan.', unlock: 'Ontgrendelen', unlockByProvider: 'Ontgrendelen met {provider}',
    logout: 'Afmelden', lock: 'Vergrendelen', loggedOut: 'U bent afgemeld', loggedOutHere: 'Bij {provider} bent u misschien nog aangemeld.', logoutAtProvider: 'Afmelden bij {provider}', toLogin: 'Opnieuw aanmelden',
    account: 'Uw account', youAre: 'Aangemeld als {name}.', yourRoles: 'U mag hier werken als:', notAllowed: 'Geen toegang', notAllowedText: 'Uw account geeft geen toegang tot deze pagina.',
    awayTitle: 'Aanmelden kan nu niet',
    tabNote: 'Dit opent een nieuw tabblad. Meld u daar aan; hier gaat het daarna vanzelf verder.',
    tabWaiting: 'Meld u in het nieuwe tabblad aan bij {provider}. Hier gaat het daarna vanzelf verder.',
    tabBlocked: 'Uw browser heeft het nieuwe tabblad tegengehouden. Sta dat toe en probeer het opnieuw.',
    tabLate: 'Het aanmelden in het andere tabblad is niet afgerond. Begin opnieuw.',
    handedOver: 'Het telefoonscherm gaat verder in het venster waaruit u kwam. U kunt dit tabblad sluiten.',
    login_failed: 'De gebruikersnaam of het wachtwoord klopt niet.',
    login_incomplete: 'Vul uw gebruikersnaam en uw wachtwoord in.',
    login_too_often: 'Er is te vaak geprobeerd aan te melden. Probeer het over {seconds} s opnieuw.',
    login_busy: 'Het is nu te druk. Probeer het zo opnieuw.',
    store_away: 'Er kan nu niemand worden aangemeld, door een storing bij ons. Wie al aangemeld is kan verder werken. Probeer het over een minuut opnieuw.',
    provider_unreachable: '{provider} is nu niet te bereiken. Probeer het later opnieuw, of vraag uw beheerder.',
    provider_denied: '{provider} heeft u niet aangemeld.',
    provider_refused: 'Wat {provider} antwoordde klopt niet. U bent niet aangemeld. Blijft dit gebeuren, waarschuw dan uw beheerder.',
    provider_too_late: 'Dit aanmelden duurde te lang, of was in een ander venster begonnen. Begin opnieuw.',
    account_unknown: 'U bent bij {provider} aangemeld met een account dat hier niet bekend is. Vraag uw beheerder, of gebruik een ander account.',
    no_role: 'Uw account heeft bij {provider} geen rol die hier toegang geeft. Vraag uw beheerder.',
    other_person: 'Dit was een ander account. Ontgrendelen kan alleen wie zich heeft aangemeld.',
    not_fresh: '{provider} heeft u niet opnieuw gevraagd wie u bent. Het scherm blijft vergrendeld.',
    roles: { agent: 'medewerker aan de telefoon', supervisor: 'teamleider', auditor: 'auditor', admin: 'beheerder' },
  },
  en: {
    login: 'Log in', intro: 'Telephone screen for staff', name: 'User name', password: 'Password', submit: 'Log in',
    byProvider: 'Log in with {provider}', provider: 'your organisation', otherAccount: 'Log in with another account', again: 'Try again', or: 'or',
    organisations: 'Log in at your organisation', goOn: 'Go on', signedIn: 'You are logged in',
    lockedTitle: 'Locked', lockedBy: 'Logged in as {name}. Show again that it is you to go on.', unlock: 'Unlock', unlockByProvider: 'Unlock with {provider}',
    logout: 'Log out', lock: 'Lock', loggedOut: 'You are logged out', loggedOutHere: 'You may still be logged in at {provider}.', logoutAtProvider: 'Log out at {provider}', toLogin: 'Log in again',
    account: 'Your account', youAre: 'Logged in as {name}.', yourRoles: 'Here you may work as:', notAllowed: 'No access', notAllowedText: 'Your account may not see this page.',
    awayTitle: 'Logging in is not possible now',
    tabNote: 'This opens a new tab. Log in there; then it goes on here by itself.',
    tabWaiting: 'Log in at {provider} in the new tab. Then it goes on here by itself.',
    tabBlocked: 'Your browser held back the new tab. Allow it and try again.',
    tabLate: 'The login in the other tab was not finished. Begin again.',
    handedOver: 'The telephone screen goes on in the window you came from. You can close this tab.',
    login_failed: 'The user name or the password is not right.',
    login_incomplete: 'Fill in your user name and your password.',
    login_too_often: 'There were too many tries. Try again in {seconds} s.',
    login_busy: 'It is too busy now. Try again in a moment.',
    store_away: 'Nobody can be logged in now, by a fault on our side. Who is logged in already can go on working. Try again in a minute.',
    provider_unreachable: '{provider} cannot be reached now. Try again later, or ask your administrator.',
    provider_denied: '{provider} did not log you in.',
    provider_refused: 'What {provider} answered does not hold. You are not logged in. If this goes on, tell your administrator.',
    provider_too_late: 'This login took too long, or was begun in another window. Begin again.',
    account_unknown: 'At {provider} you are logged in with an account that is not known here. Ask your administrator, or use another account.',
    no_role: 'At {provider} your account has no role that lets you in here. Ask your administrator.',
    other_person: 'That was another account. Only who logged in can unlock.',
    not_fresh: '{provider} did not ask you again who you are. The screen stays locked.',
    roles: { agent: 'agent on the telephone', supervisor: 'supervisor', auditor: 'auditor', admin: 'administrator' },
  },
};

/** Fills in {name}s. A value is not looked at for further ones. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{(\w+)\}/gu, (all, key: string) => values[key] ?? all);
}

/** @param header Accept-Language (RFC 9110 section 12.5.4); Dutch unless English is wanted more. */
export function languageOf(header: string | undefined): PageLanguage {
  let best: { language: PageLanguage; weight: number } = { language: 'nl', weight: 0 };
  for (const part of (header ?? '').slice(0, 500).split(',')) {
    const [range = '', ...parameters] = part.trim().toLowerCase().split(';');
    const language = range.startsWith('nl') ? 'nl' : range.startsWith('en') ? 'en' : undefined;
    if (!language) continue;
    const q = parameters.map((p) => p.trim()).find((p) => p.startsWith('q='));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    if (weight > best.weight) best = { language, weight };
  }
  return best.language;
}
