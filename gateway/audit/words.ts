/** What the auditor's page says, in Dutch and English. */
import type { Act } from './acts.js';

export type PageLanguage = 'nl' | 'en';

type Word =
  | 'title' | 'intro' | 'from' | 'to' | 'call' | 'agent' | 'act' | 'all' | 'search' | 'none' | 'newest' | 'caption' | 'downloadCsv' | 'downloadJsonl'
  | 'time' | 'why' | 'attributes' | 'detail' | 'badDate' | 'utc' | 'skip' | 'recorded' | 'otherPages';

interface Words extends Record<Word, string> {
  readonly pageOf: Readonly<Record<'agent' | 'supervisor', string>>;
}

export const words: Record<PageLanguage, Words> = {
  nl: {
    title: 'Inzagelogboek', intro: 'Wie zag welk soort gegeven van welk gesprek, wanneer en waarom. Waarden van gegevens staan hier niet.',
    from: 'Van dag', to: 'Tot en met dag', call: 'Gesprek', agent: 'Medewerker', act: 'Handeling', all: 'alle', search: 'Zoeken',
    none: 'Er is niets gevonden.', newest: 'De nieuwste {count} regels; er kunnen er meer zijn. Een download bevat alles.', caption: 'Gevonden regels, nieuwste eerst',
    downloadCsv: 'Alles downloaden (CSV)', downloadJsonl: 'Alles downloaden (JSON-regels)',
    time: 'Tijd (UTC)', why: 'Waarom', attributes: 'Gegevens', detail: 'Bijzonderheden', badDate: 'Schrijf een dag als 2026-11-25.', utc: 'Dagen en tijden zijn in UTC.',
    skip: 'Naar de regels', recorded: 'Dat u hier kijkt wordt ook vastgelegd.',
    otherPages: 'Uw andere pagina’s', pageOf: { agent: 'Telefoonscherm', supervisor: 'Overzicht telefoon' },
  },
  en: {
    title: 'Audit trail', intro: 'Who saw which kind of attribute of which call, when and why. Values of attributes are not here.',
    from: 'From day', to: 'Up to and including day', call: 'Call', agent: 'Agent', act: 'Act', all: 'all', search: 'Search',
    none: 'Nothing was found.', newest: 'The newest {count} lines; there may be more. A download holds everything.', caption: 'Lines found, newest first',
    downloadCsv: 'Download everything (CSV)', downloadJsonl: 'Download everything (JSON lines)',
    time: 'Time (UTC)', why: 'Why', attributes: 'Attributes', detail: 'Details', badDate: 'Write a day such as 2026-11-25.', utc: 'Days and times are in UTC.',
    skip: 'To the lines', recorded: 'That you look here is recorded too.',
    otherPages: 'Your other pages', pageOf: { agent: 'Agent’s screen', supervisor: 'Telephone overview' },
  },
};

/** Acts of people, as the page names them. */
export const actWords: { [Name in Act['act']]?: Record<PageLanguage, string> } = {
  shown: { nl: 'getoond', en: 'shown' },
  cleared: { nl: 'van het scherm', en: 'cleared' },
  transferred: { nl: 'doorverbonden', en: 'transferred' },
  broughtIn: { nl: 'collega erbij gevraagd', en: 'colleague brought in' },
  claimed: { nl: 'opgeëist', en: 'claimed' },
  fetched: { nl: 'opgehaald door ander programma', en: 'fetched by another desktop' },
  signedIn: { nl: 'aangemeld', en: 'signed in' },
  signedOut: { nl: 'afgemeld', en: 'signed out' },
  refused: { nl: 'geweigerd', en: 'refused' },
  looked: { nl: 'logboek bekeken', en: 'trail looked at' },
  exported: { nl: 'logboek gedownload', en: 'trail exported' },
};

export const whyWords: Record<string, Record<PageLanguage, string>> = {
  answered: { nl: 'gesprek aangenomen', en: 'call answered' },
  transferred: { nl: 'gesprek gekregen', en: 'call transferred to them' },
  returned: { nl: 'scherm opnieuw geopend', en: 'page came back' },
  lateResult: { nl: 'gegevens kwamen later', en: 'result came later' },
  duringCall: { nl: 'identificatie tijdens gesprek', en: 'identified during the call' },
  unmasked: { nl: 'verborgen gegeven gevraagd', en: 'masked attribute asked for' },
  broughtIn: { nl: 'door collega erbij gevraagd', en: 'brought in by a colleague' },
  handedOver: { nl: 'via wachtrij van de centrale', en: 'by the PBX’s queue' },
};
