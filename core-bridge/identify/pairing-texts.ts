import type { Language } from '../language.js';

/** What the pairing pages say. */
export interface PairingTexts {
  readonly title: string;
  readonly intro: (organisation: string) => string;
  readonly warning: string;
  readonly label: string;
  readonly hint: (digits: number) => string;
  readonly next: string;
  readonly otherLanguage: string;
  readonly methodsTitle: string;
  readonly methodsIntro: string;
  readonly afterwards: string;
  readonly again: string;
  /** Before the page's title when something went wrong. */
  readonly error: string;
  readonly problems: Readonly<Record<PairingProblem, string>>;
}

/** `form`: not as many digits as a code has. `slip`: the check digit does not fit. `code`: unknown, used, withdrawn or expired; never told which. `over`: the choice came too late. */
export type PairingProblem = 'form' | 'slip' | 'code' | 'over' | 'busy' | 'core' | 'store' | 'unexpected';

export const PAIRING_TEXTS: Readonly<Record<Language, PairingTexts>> = {
  nl: {
    title: 'Laat tijdens uw gesprek weten wie u bent',
    intro: (organisation) => `U bent aan de telefoon met ${organisation}. Typ hier de code die u hoorde. Blijf aan de lijn.`,
    warning: 'Ga alleen verder als u zelf hebt gebeld. Heeft iemand ú gebeld en om deze code of om een woord gevraagd? Hang dan op.',
    label: 'Code',
    hint: (digits) => `${digits} cijfers`,
    next: 'Verder',
    otherLanguage: 'English',
    methodsTitle: 'Hoe wilt u laten weten wie u bent?',
    methodsIntro: 'De code klopt. Kies hoe u wilt inloggen.',
    afterwards: 'Daarna ziet u een woord. Lees dat voor aan de medewerker: pas dan worden uw gegevens aan de medewerker getoond.',
    again: 'Een andere code typen',
    error: 'Fout',
    problems: {
      form: 'Dit is geen volledige code. Typ alle cijfers die u hoorde.',
      slip: 'Er zit een tikfout in deze code. Kijk de cijfers na en typ ze nog een keer.',
      code: 'Deze code werkt niet, of niet meer. Vraag aan de telefoon om een nieuwe code.',
      over: 'Dit duurde te lang, of u hebt het al afgerond. Vraag aan de telefoon om een nieuwe code.',
      busy: 'Het is nu erg druk op deze pagina. Wacht een minuut en probeer het dan nog een keer.',
      core: 'Inloggen lukt op dit moment niet. Probeer het nog een keer, of zeg het tegen de medewerker.',
      store: 'Wij kunnen uw code op dit moment niet nakijken. Probeer het zo nog een keer, of zeg het tegen de medewerker.',
      unexpected: 'Er ging hier iets mis. Probeer het nog een keer.',
    },
  },
  en: {
    title: 'Show who you are during your call',
    intro: (organisation) => `You are on the telephone with ${organisation}. Type the code that you heard. Stay on the line.`,
    warning: 'Go on only if you made this call yourself. Did somebody call you and ask for this code or for a word? Then hang up.',
    label: 'Code',
    hint: (digits) => `${digits} digits`,
    next: 'Next',
    otherLanguage: 'Nederlands',
    methodsTitle: 'How do you want to show who you are?',
    methodsIntro: 'The code is right. Choose how to log in.',
    afterwards: 'After that you see a word. Read it out to the agent: only then are your details shown to the agent.',
    again: 'Type another code',
    error: 'Error',
    problems: {
      form: 'This is not a whole code. Type all the digits that you heard.',
      slip: 'One of the digits is not right. Check them and type the code again.',
      code: 'This code does not work, or does not work any more. Ask on the telephone for a new code.',
      over: 'This took too long, or you have finished it already. Ask on the telephone for a new code.',
      busy: 'This page is very busy now. Wait a minute and try again.',
      core: 'You cannot log in at this moment. Try again, or tell the agent.',
      store: 'We cannot check your code at this moment. Try again in a while, or tell the agent.',
      unexpected: 'Something went wrong here. Try again.',
    },
  },
};
