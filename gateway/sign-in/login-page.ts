import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type PageLanguage = 'nl' | 'en';
export type LoginProblem = 'login_failed' | 'login_incomplete' | 'login_too_often' | 'login_busy';

type LoginWord = 'language' | 'title' | 'intro' | 'name' | 'password' | 'submit' | LoginProblem;

const loginWords: Record<PageLanguage, Record<LoginWord, string>> = {
  nl: {
    language: 'nl', title: 'Aanmelden', intro: 'Telefoonscherm voor medewerkers', name: 'Gebruikersnaam', password: 'Wachtwoord', submit: 'Aanmelden',
    login_failed: 'De gebruikersnaam of het wachtwoord klopt niet.',
    login_incomplete: 'Vul uw gebruikersnaam en uw wachtwoord in.',
    login_too_often: 'Er is te vaak geprobeerd aan te melden. Probeer het over {seconds} s opnieuw.',
    login_busy: 'Het is nu te druk. Probeer het zo opnieuw.',
  },
  en: {
    language: 'en', title: 'Log in', intro: 'Telephone screen for staff', name: 'User name', password: 'Password', submit: 'Log in',
    login_failed: 'The user name or the password is not right.',
    login_incomplete: 'Fill in your user name and your password.',
    login_too_often: 'There were too many tries. Try again in {seconds} s.',
    login_busy: 'It is too busy now. Try again in a moment.',
  },
};

export interface LoginPage {
  html(language: PageLanguage, problem: LoginProblem | undefined, retryAfterS: number): string;
  problem(language: PageLanguage, problem: LoginProblem, retryAfterS: number): string;
}

/** Reads the page once; then nothing a request says can name a file. */
export function loadLoginPage(): LoginPage {
  const template = readFileSync(fileURLToPath(new URL('./pages/login.html', import.meta.url)), 'utf8');
  const problemText = (language: PageLanguage, problem: LoginProblem, retryAfterS: number): string =>
    loginWords[language][problem].replace('{seconds}', String(retryAfterS));
  return {
    problem: problemText,
    html: (language, problem, retryAfterS) => {
      const words: Record<string, string> = { ...loginWords[language], problem: problem ? problemText(language, problem, retryAfterS) : '' };
      return template.replaceAll(/\{\{(\w+)\}\}/gu, (_all, key: string) => words[key] ?? '');
    },
  };
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
