// Every word of the screen, in each of its languages.
export const words = {
  nl: {
    other: 'English', title: 'Telefoonscherm', logout: 'Afmelden',
    connecting: 'Verbinden…', live: 'Verbonden', lost: 'Geen verbinding',
    lostAlarm: 'De verbinding met de telefooncentrale is weg. Gegevens van de beller zijn van dit scherm gehaald. Er wordt opnieuw verbonden.',
    replacedAlarm: 'Het scherm is in een ander venster geopend. Hier wordt niets meer getoond.',
    useHere: 'Hier gebruiken',
    availability: 'Uw status', available: 'Beschikbaar', break: 'Pauze',
    service: 'Dienst', callerLanguage: 'Taal van de beller', waited: 'Gewacht', identity: 'Identiteit', duration: 'Gespreksduur',
    languages: { nl: 'Nederlands', en: 'Engels' },
    end: 'Gesprek beëindigen',
    idle: 'Wacht op een gesprek', onBreak: 'Pauze: u krijgt geen gesprekken',
    ringing: 'Uw telefoon gaat over', answered: 'Opgenomen: de beller wordt verbonden', connected: 'In gesprek',
    ended: 'Het gesprek is beëindigd. De gegevens zijn van het scherm.',
    missed: 'U hebt niet opgenomen. Het gesprek is naar een collega.',
    requeued: 'Het gesprek is terug in de wachtrij.',
    failed: 'Het gesprek is niet gelukt.',
    identified: {
      verified: 'Geverifieerd', awaiting: 'Verificatie loopt nog', failed: 'Verificatie mislukt: niet geïdentificeerd',
      unauthenticated: 'Zonder verificatie', none: 'Niet geïdentificeerd',
    },
    verifiedDuringCall: 'Geverifieerd tijdens dit gesprek',
    verifiedTitle: 'Geverifieerde gegevens van de beller',
    unidentified: {
      none: ['Niet geïdentificeerd', 'Er zijn geen geverifieerde gegevens van deze beller.'],
      awaiting: ['De verificatie loopt nog', 'De beller is nog bezig op de website. Lukt het, dan verschijnen de gegevens hier vanzelf.'],
      failed: ['De verificatie is mislukt', 'De beller heeft op de website geprobeerd zich te identificeren. Dat is niet gelukt.'],
      unauthenticated: ['Zonder verificatie', 'Bij dit onderwerp hoeft een beller zich niet te identificeren.'],
    },
    notIdentified: 'Ga er niet van uit dat u weet wie dit is.',
    purpose: 'Waarvoor', method: 'Geverifieerd met', verifiedAt: 'Geverifieerd op', verifiedAgo: 'Geverifieerd', noMethod: 'onbekend middel',
    how: 'Geïdentificeerd', beforeCall: 'voor het gesprek, op de website', duringCall: 'tijdens dit gesprek',
    shortened: '(ingekort)', noFields: 'De verificatie bevatte geen gegevens.',
    titleCall: '☎ Gesprek', titleCompare: '❓ Vergelijk het woord',
    seen: 'Gezien',
    warnings: { codeUsedAgain: 'Deze code is ook op een tweede telefoon geprobeerd. Wees voorzichtig: stel een controlevraag.' },
    identify: 'Laat beller zich identificeren', identifyAgain: 'Opnieuw laten identificeren',
    // Each step of an identification during the call: what it is called, and what the agent is to know of it.
    identifySteps: {
      asking: ['De cijfers worden gemaakt…', ''],
      invitation: ['De beller kan zich nu identificeren', 'Lees voor:'],
      expired: ['De cijfers zijn verlopen', 'Heeft de beller ze al ingetypt, dan kan die gewoon verder. Maak anders nieuwe cijfers.'],
      compare: ['De beller heeft zich tijdens het gesprek geïdentificeerd', 'Vraag:'],
      checking: ['De gegevens worden opgehaald…', ''],
      deleting: ['De gegevens worden verwijderd…', ''],
      failed: ['Het identificeren is niet gelukt', 'De beller is gestopt of werd niet herkend. U kunt het opnieuw proberen.'],
      otherWord: ['Een ander woord: dit was niet de pagina van deze beller', 'De gegevens zijn verwijderd. Er is niets van getoond.'],
      unreachable: ['Identificeren kan nu niet', 'De inlogdienst is niet bereikbaar. Probeer het zo opnieuw.'],
      refused: ['Identificeren kan niet', 'De inlogdienst staat het voor dit onderwerp niet toe.'],
      tooMany: ['Identificeren kan nu niet', 'Er identificeren zich nu te veel bellers tegelijk. Probeer het zo opnieuw.'],
    },
    sayInvitation: '‘Ga op uw telefoon of computer naar {address} en typ daar deze cijfers in:’',
    sayCompare: '‘Welk woord staat er op uw pagina?’',
    address: 'Adres', digits: 'Cijfers', validFor: 'Nog geldig', mustBe: 'Het moet zijn:', doNotSay: 'Zeg het woord niet zelf.',
    sameWord: 'Zelfde woord', otherWord: 'Ander woord', newDigits: 'Nieuwe cijfers', stop: 'Stoppen', close: 'Sluiten',
  },
  en: {
    other: 'Nederlands', title: 'Telephone screen', logout: 'Log out',
    connecting: 'Connecting…', live: 'Connected', lost: 'No connection',
    lostAlarm: 'The connection to the telephone system is gone. The caller\'s details were taken off this screen. Connecting again.',
    replacedAlarm: 'The screen was opened in another window. Nothing is shown here any more.',
    useHere: 'Use it here',
    availability: 'Your status', available: 'Available', break: 'Break',
    service: 'Service', callerLanguage: 'Language of the caller', waited: 'Waited', identity: 'Identity', duration: 'Duration',
    languages: { nl: 'Dutch', en: 'English' },
    end: 'End the call',
    idle: 'Waiting for a call', onBreak: 'Break: you are not offered calls',
    ringing: 'Your telephone is ringing', answered: 'Answered: the caller is being connected', connected: 'In conversation',
    ended: 'The call has ended. The details are off the screen.',
    missed: 'You did not answer. The call went to a colleague.',
    requeued: 'The call is back in the queue.',
    failed: 'The call did not succeed.',
    identified: {
      verified: 'Verified', awaiting: 'Verification still running', failed: 'Verification failed: not identified',
      unauthenticated: 'Without verification', none: 'Not identified',
    },
    verifiedDuringCall: 'Verified during this call',
    verifiedTitle: 'Verified details of the caller',
    unidentified: {
      none: ['Not identified', 'There are no verified details of this caller.'],
      awaiting: ['The verification is still running', 'The caller is still busy on the website. If it succeeds, the details appear here by themselves.'],
      failed: ['The verification failed', 'The caller tried to identify themselves on the website. It did not succeed.'],
      unauthenticated: ['Without verification', 'For this subject a caller does not need to identify themselves.'],
    },
    notIdentified: 'Do not assume who this is.',
    purpose: 'Purpose', method: 'Verified with', verifiedAt: 'Verified on', verifiedAgo: 'Verified', noMethod: 'unknown means',
    how: 'Identified', beforeCall: 'before the call, on the website', duringCall: 'during this call',
    shortened: '(shortened)', noFields: 'The verification held no details.',
    titleCall: '☎ Call', titleCompare: '❓ Compare the word',
    seen: 'Seen',
    warnings: { codeUsedAgain: 'This code was tried from a second telephone. Be careful: ask a control question.' },
    identify: 'Identify caller', identifyAgain: 'Identify again',
    identifySteps: {
      asking: ['The digits are being made…', ''],
      invitation: ['The caller can identify themselves now', 'Read out:'],
      expired: ['The digits have expired', 'If the caller has typed them already, they can simply go on. If not, make new digits.'],
      compare: ['The caller has identified themselves during the call', 'Ask:'],
      checking: ['The details are being fetched…', ''],
      deleting: ['The details are being deleted…', ''],
      failed: ['The identification did not succeed', 'The caller stopped or was not recognised. You can try again.'],
      otherWord: ['Another word: that was not this caller\'s page', 'The details were deleted. Nothing of them was shown.'],
      unreachable: ['Identifying is not possible now', 'The login service cannot be reached. Try again in a moment.'],
      refused: ['Identifying is not possible', 'The login service does not allow it for this subject.'],
      tooMany: ['Identifying is not possible now', 'Too many callers are identifying themselves at once. Try again in a moment.'],
    },
    sayInvitation: '‘Please go to {address} on your phone or computer, and type in these digits:’',
    sayCompare: '‘Which word is on your page?’',
    address: 'Address', digits: 'Digits', validFor: 'Valid for', mustBe: 'It must be:', doNotSay: 'Do not say the word yourself.',
    sameWord: 'Same word', otherWord: 'Another word', newDigits: 'New digits', stop: 'Stop', close: 'Close',
  },
};

/** 75_000 ms -> "1:15"; an hour and more -> "1:02:03". */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** How long ago, as the browser's own language data says it. */
export function ago(ms, language) {
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return format.format(-seconds, 'second');
  if (seconds < 5400) return format.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 172800) return format.format(-Math.round(seconds / 3600), 'hour');
  return format.format(-Math.round(seconds / 86400), 'day');
}

/** '1234567' -> ['123', '4567']: groups of two to four that can be read out, the longer ones last. */
export function groupDigits(digits) {
  const count = Math.ceil(digits.length / 4);
  const cut = (i) => Math.floor((i * digits.length) / count);
  return Array.from({ length: count }, (_, i) => digits.slice(cut(i), cut(i + 1)));
}
