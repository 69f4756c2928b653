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
      unauthenticated: 'Niet geverifieerd', none: 'Niet geïdentificeerd',
    },
    verifiedTitle: 'Geverifieerde gegevens van de beller',
    notIdentifiedTitle: 'Niet geïdentificeerd',
    notIdentified: 'Ga er niet van uit dat u weet wie dit is.',
    purpose: 'Waarvoor', method: 'Geverifieerd met', verifiedAt: 'Geverifieerd op', verifiedAgo: 'Geverifieerd', noMethod: 'onbekend middel',
    shortened: '(ingekort)', noFields: 'De verificatie bevatte geen gegevens.',
    titleCall: '☎ Gesprek',
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
      unauthenticated: 'Not verified', none: 'Not identified',
    },
    verifiedTitle: 'Verified details of the caller',
    notIdentifiedTitle: 'Not identified',
    notIdentified: 'Do not assume who this is.',
    purpose: 'Purpose', method: 'Verified with', verifiedAt: 'Verified on', verifiedAgo: 'Verified', noMethod: 'unknown means',
    shortened: '(shortened)', noFields: 'The verification held no details.',
    titleCall: '☎ Call',
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
