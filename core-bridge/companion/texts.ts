import type { Language } from '../language.js';

/** What happens on the way, as the list of steps tells it. */
export type StepName = 'login' | 'call' | 'code' | 'wait' | 'talk' | 'deletion';

/** A page's first words: what is the matter, and what to do now. */
interface Advice {
  readonly title: string;
  readonly lines: readonly string[];
}

/** What the citizen's page says. Times come as the clock shows them, numbers as the language writes them. */
export interface CompanionTexts {
  readonly otherLanguage: string;
  readonly call: Advice;
  /** The login failed, but the code works. */
  readonly callUnidentified: Advice;
  readonly typeCode: Advice;
  readonly accepted: Advice;
  readonly waiting: (place: number) => Advice;
  readonly ringing: Advice;
  readonly connected: Advice;
  readonly dropped: (until: string) => Advice;
  /** In a session for a call: nothing known yet, logged in, not logged in. */
  readonly confirming: Advice;
  readonly readWord: Advice;
  readonly loginFailed: Advice;
  readonly deleting: Advice;
  readonly over: Advice;
  readonly deletedDuringCall: Advice;
  readonly receipt: (milliseconds: string) => string;
  readonly number: string;
  readonly code: string;
  readonly callNow: string;
  readonly copy: string;
  readonly copied: string;
  readonly qr: string;
  readonly qrHelp: string;
  readonly keepToYourself: string;
  readonly validUntil: (until: string) => string;
  /** Stand before and after minutes and seconds, as in "14:59". */
  readonly left: readonly [before: string, after: string];
  readonly longer: string;
  readonly longerHelp: (limit: string) => string;
  readonly extended: string;
  readonly notLonger: string;
  readonly word: string;
  readonly wordHeard: string;
  /** The page's language is not the one that is spoken. */
  readonly wordHeardIn: Readonly<Record<Language, string>>;
  readonly wordRead: string;
  readonly usedAgain: (time: string) => string;
  readonly expiresSoon: (until: string) => string;
  readonly expiresSoonForGood: (until: string) => string;
  readonly steps: string;
  readonly step: Readonly<Record<StepName, { readonly upcoming: string; readonly current: string; readonly done: string }>>;
  readonly stepLoginFailed: string;
  readonly stepPlace: (place: number) => string;
  readonly stepRinging: string;
  /** Read out with a step, where others see a sign. */
  readonly state: Readonly<Record<'done' | 'upcoming' | 'pending' | 'failed', string>>;
  readonly refreshing: string;
  readonly stopRefreshing: string;
  readonly refreshNow: string;
  readonly refreshAgain: string;
  readonly offline: string;
  readonly gone: Advice;
  readonly store: Advice;
  readonly busy: Advice;
  readonly unexpected: Advice;
  readonly tryAgain: string;
}

export const COMPANION_TEXTS: Readonly<Record<Language, CompanionTexts>> = {
  nl: {
    otherLanguage: 'English',
    call: { title: 'Bel ons nu met uw code', lines: ['Bel het nummer hieronder. Toets uw code in als de stem daarom vraagt.'] },
    callUnidentified: {
      title: 'Inloggen is niet gelukt',
      lines: ['Ga terug naar de website en log opnieuw in. U krijgt dan een nieuwe code.', 'U kunt ook bellen met de code hieronder. De medewerker weet dan nog niet wie u bent.'],
    },
    typeCode: { title: 'Wij zien uw gesprek', lines: ['Toets nu uw code in.'] },
    accepted: { title: 'Uw code klopt', lines: ['Blijf aan de lijn. Wij zoeken een medewerker voor u.'] },
    waiting: (place) => ({ title: 'U staat in de wachtrij', lines: [place === 1 ? 'U bent als eerste aan de beurt. Blijf aan de lijn.' : `U bent nummer ${place}. Blijf aan de lijn.`] }),
    ringing: { title: 'Een medewerker neemt zo op', lines: ['Blijf aan de lijn.'] },
    connected: { title: 'U spreekt met een medewerker', lines: ['Na het gesprek verwijderen wij uw gegevens. Laat deze pagina open, dan ziet u daar het bewijs van.'] },
    dropped: (until) => ({ title: 'De verbinding is verbroken', lines: [`Bel opnieuw met dezelfde code. Dat kan tot ${until} uur.`] }),
    confirming: { title: 'Wij wachten op uw login', lines: ['Dit duurt meestal een paar tellen. Blijf aan de lijn.'] },
    readWord: { title: 'U bent ingelogd', lines: ['Lees het woord hieronder voor aan de medewerker die u aan de lijn hebt.'] },
    loginFailed: { title: 'Inloggen is niet gelukt', lines: ['Blijf aan de lijn en zeg het tegen de medewerker. U kunt het dan nog een keer proberen.'] },
    deleting: { title: 'Het gesprek is afgelopen', lines: ['Wij verwijderen nu uw gegevens.'] },
    over: { title: 'Het gesprek is afgelopen', lines: ['Uw gegevens zijn verwijderd.'] },
    deletedDuringCall: { title: 'Deze login telt niet meer', lines: ['Uw gegevens van deze login zijn verwijderd.', 'Spreekt u nog met een medewerker? Uw gesprek gaat gewoon door.'] },
    receipt: (milliseconds) => `Uw gegevens zijn verwijderd, ${milliseconds} milliseconden nadat er werd opgehangen.`,
    number: 'Telefoonnummer',
    code: 'Uw code',
    callNow: 'Bel nu, met code',
    copy: 'Kopieer de code',
    copied: 'De code is gekopieerd.',
    qr: 'QR-code waarmee uw telefoon belt en de code intoetst',
    qrHelp: 'Richt de camera van uw telefoon hierop. Uw telefoon belt dan, en toetst de code voor u in.',
    keepToYourself: 'Geef deze code aan niemand. Wij bellen u nooit om ernaar te vragen.',
    validUntil: (until) => `Uw code is geldig tot ${until} uur.`,
    left: ['Nog', 'minuten'],
    longer: 'Langer geldig houden',
    longerHelp: (limit) => `Meer tijd nodig? Het kan tot uiterlijk ${limit} uur.`,
    extended: 'De tijd is verlengd.',
    notLonger: 'Deze code kan niet nog langer geldig blijven. Log daarna opnieuw in op de website voor een nieuwe code.',
    word: 'Uw controlewoord',
    wordHeard: 'De stem aan de telefoon noemt dit woord. Hoort u een ander woord of geen woord? Hang dan op.',
    wordHeardIn: {
      nl: 'De stem aan de telefoon noemt dit woord, in het Nederlands. Hoort u een ander woord of geen woord? Hang dan op.',
      en: 'De stem aan de telefoon noemt dit woord, in het Engels. Hoort u een ander woord of geen woord? Hang dan op.',
    },
    wordRead: 'Lees dit woord voor aan de medewerker. Vraagt iemand ernaar die ú heeft gebeld? Hang dan op.',
    usedAgain: (time) => `Let op: iemand heeft uw code om ${time} uur nog een keer gebruikt. Was u dat niet? Zeg het tegen de medewerker, en geef uw code aan niemand.`,
    expiresSoon: (until) => `Uw code verloopt om ${until} uur. Nog niet gebeld? Kies dan ‘Langer geldig houden’.`,
    expiresSoonForGood: (until) => `Uw code verloopt om ${until} uur. Lukt bellen niet op tijd? Log dan opnieuw in op de website.`,
    steps: 'Zo ver bent u',
    step: {
      login: { upcoming: 'Inloggen', current: 'Wij wachten op uw login', done: 'U bent ingelogd' },
      call: { upcoming: 'Ons bellen', current: 'Bel ons', done: 'Wij zien uw gesprek' },
      code: { upcoming: 'Uw code intoetsen', current: 'Toets uw code in', done: 'Uw code klopt' },
      wait: { upcoming: 'Wachten op een medewerker', current: 'Wij zoeken een medewerker', done: 'Een medewerker nam op' },
      talk: { upcoming: 'Uw gesprek', current: 'U spreekt met een medewerker', done: 'Het gesprek is afgelopen' },
      deletion: { upcoming: 'Uw gegevens worden verwijderd', current: 'Wij verwijderen uw gegevens', done: 'Uw gegevens zijn verwijderd' },
    },
    stepLoginFailed: 'Inloggen is niet gelukt',
    stepPlace: (place) => (place === 1 ? 'U bent als eerste aan de beurt' : `U bent nummer ${place} in de wachtrij`),
    stepRinging: 'De telefoon van een medewerker gaat over',
    state: { done: 'klaar', upcoming: 'komt nog', pending: 'bezig', failed: 'mislukt' },
    refreshing: 'Deze pagina ververst zichzelf elke 10 seconden.',
    stopRefreshing: 'Stop met verversen',
    refreshNow: 'Ververs deze pagina',
    refreshAgain: 'Ververs vanzelf',
    offline: 'Deze pagina heeft even geen verbinding en loopt misschien achter. Bellen kan gewoon.',
    gone: {
      title: 'Deze pagina geldt niet meer',
      lines: ['De code is verlopen, of het gesprek is al geweest. Er staan hier geen gegevens van u.', 'Wilt u bellen? Log dan opnieuw in op de website. U krijgt daar een nieuwe code.'],
    },
    store: { title: 'Deze pagina werkt nu even niet', lines: ['Probeer het zo opnieuw. Bellen kan intussen gewoon: een medewerker helpt u verder.'] },
    busy: { title: 'Het is hier even te druk', lines: ['Wacht een minuut en probeer het dan opnieuw.'] },
    unexpected: { title: 'Er ging hier iets mis', lines: ['Probeer het opnieuw.'] },
    tryAgain: 'Probeer opnieuw',
  },
  en: {
    otherLanguage: 'Nederlands',
    call: { title: 'Call us now with your code', lines: ['Call the number below. Type your code when the voice asks for it.'] },
    callUnidentified: {
      title: 'You could not be logged in',
      lines: ['Go back to the website and log in again. You will then get a new code.', 'You can also call with the code below. The agent then does not know yet who you are.'],
    },
    typeCode: { title: 'We see your call', lines: ['Type your code now.'] },
    accepted: { title: 'Your code is right', lines: ['Stay on the line. We are finding an agent for you.'] },
    waiting: (place) => ({ title: 'You are in the queue', lines: [place === 1 ? 'You are next. Stay on the line.' : `You are number ${place}. Stay on the line.`] }),
    ringing: { title: 'An agent is about to answer', lines: ['Stay on the line.'] },
    connected: { title: 'You are talking to an agent', lines: ['After the call we delete your details. Leave this page open to see the proof of it.'] },
    dropped: (until) => ({ title: 'The call was cut off', lines: [`Call again with the same code. You can do so until ${until}.`] }),
    confirming: { title: 'We are waiting for your login', lines: ['This usually takes a few seconds. Stay on the line.'] },
    readWord: { title: 'You are logged in', lines: ['Read out the word below to the agent you have on the line.'] },
    loginFailed: { title: 'You could not be logged in', lines: ['Stay on the line and tell the agent. You can then try once more.'] },
    deleting: { title: 'The call has ended', lines: ['We are deleting your details now.'] },
    over: { title: 'The call has ended', lines: ['Your details were deleted.'] },
    deletedDuringCall: { title: 'This login no longer counts', lines: ['Your details from this login were deleted.', 'Are you still talking to an agent? Your call simply goes on.'] },
    receipt: (milliseconds) => `Your details were deleted, ${milliseconds} milliseconds after the call was hung up.`,
    number: 'Telephone number',
    code: 'Your code',
    callNow: 'Call now, code included',
    copy: 'Copy the code',
    copied: 'The code was copied.',
    qr: 'QR code that makes your phone call and type the code',
    qrHelp: 'Point the camera of your phone at this. Your phone then calls, and types the code for you.',
    keepToYourself: 'Give this code to nobody. We never call you to ask for it.',
    validUntil: (until) => `Your code is valid until ${until}.`,
    left: ['', 'minutes left'],
    longer: 'Keep it valid longer',
    longerHelp: (limit) => `Need more time? You can have it until ${limit} at most.`,
    extended: 'You have more time.',
    notLonger: 'This code cannot stay valid any longer. After that, log in on the website again for a new code.',
    word: 'Your check word',
    wordHeard: 'The voice on the phone says this word. Do you hear another word, or none? Then hang up.',
    wordHeardIn: {
      nl: 'The voice on the phone says this word, in Dutch. Do you hear another word, or none? Then hang up.',
      en: 'The voice on the phone says this word, in English. Do you hear another word, or none? Then hang up.',
    },
    wordRead: 'Read out this word to the agent. Does somebody ask for it who called you? Then hang up.',
    usedAgain: (time) => `Warning: somebody used your code once more at ${time}. Was that not you? Tell the agent, and give your code to nobody.`,
    expiresSoon: (until) => `Your code expires at ${until}. Not called yet? Then choose “Keep it valid longer”.`,
    expiresSoonForGood: (until) => `Your code expires at ${until}. Can you not call in time? Then log in on the website again.`,
    steps: 'How far you are',
    step: {
      login: { upcoming: 'Log in', current: 'We are waiting for your login', done: 'You are logged in' },
      call: { upcoming: 'Call us', current: 'Call us', done: 'We see your call' },
      code: { upcoming: 'Type your code', current: 'Type your code', done: 'Your code is right' },
      wait: { upcoming: 'Wait for an agent', current: 'We are finding an agent', done: 'An agent answered' },
      talk: { upcoming: 'Your conversation', current: 'You are talking to an agent', done: 'The call has ended' },
      deletion: { upcoming: 'Your details are deleted', current: 'We are deleting your details', done: 'Your details were deleted' },
    },
    stepLoginFailed: 'You could not be logged in',
    stepPlace: (place) => (place === 1 ? 'You are next in the queue' : `You are number ${place} in the queue`),
    stepRinging: 'The phone of an agent is ringing',
    state: { done: 'done', upcoming: 'still to come', pending: 'under way', failed: 'failed' },
    refreshing: 'This page refreshes itself every 10 seconds.',
    stopRefreshing: 'Stop refreshing',
    refreshNow: 'Refresh this page',
    refreshAgain: 'Refresh by itself',
    offline: 'This page has no connection at the moment and may be behind. You can call all the same.',
    gone: {
      title: 'This page is no longer valid',
      lines: ['The code has expired, or the call is over. No details of yours are here.', 'Do you want to call? Then log in on the website again. You will get a new code there.'],
    },
    store: { title: 'This page does not work just now', lines: ['Try again in a moment. You can call all the same: an agent will help you.'] },
    busy: { title: 'It is too busy here', lines: ['Wait a minute and try again.'] },
    unexpected: { title: 'Something went wrong here', lines: ['Try again.'] },
    tryAgain: 'Try again',
  },
};
