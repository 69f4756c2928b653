import type { Tenant } from '../../config/index.js';
import type { Label } from './contract.js';
import type { AssuranceOnPage, MeansOnPage } from './messages.js';
import { bothLanguages, visible } from './visible.js';

type Level = 'low' | 'substantial' | 'high';

const means = new Map([
  ['digid', 'DigiD'], ['irma', 'Yivi (IRMA)'], ['yivi', 'Yivi'], ['eherkenning', 'eHerkenning'], ['eidas', 'eIDAS'], ['idin', 'iDIN'], ['itsme', 'itsme'],
]);

const levels: Readonly<Record<Level, Label>> = {
  low: { nl: 'Laag', en: 'Low' }, substantial: { nl: 'Substantieel', en: 'Substantial' }, high: { nl: 'Hoog', en: 'High' },
};
const basic: Label = { nl: 'Basis', en: 'Basic' };
const medium: Label = { nl: 'Midden', en: 'Medium' };

/** What a level means to somebody who never heard of eIDAS (regulation 910/2014, article 8: limited, substantial and higher confidence). */
const meanings: Readonly<Record<Level, Label>> = {
  low: { nl: 'Beperkte zekerheid: stel bij twijfel een controlevraag.', en: 'Limited certainty: when in doubt, ask a control question.' },
  substantial: { nl: 'Ruime zekerheid over wie dit is.', en: 'Good certainty about who this is.' },
  high: { nl: 'Grote zekerheid over wie dit is.', en: 'Great certainty about who this is.' },
};

const saml = 'urn:oasis:names:tc:saml:2.0:ac:classes:';
/**
 * How authentication plugins write a level, in lower case: words, DigiD's numbers and SAML contexts (Logius,
 * koppelvlakspecificatie DigiD SAML), eHerkenning's classes, eIDAS' addresses.
 */
const known = new Map<string, readonly [Level, Label?]>([
  ['low', ['low']], ['laag', ['low']], ['substantial', ['substantial']], ['substantieel', ['substantial']], ['high', ['high']], ['hoog', ['high']],
  ['basis', ['low', basic]], ['basic', ['low', basic]], ['midden', ['low', medium]], ['medium', ['low', medium]],
  ['10', ['low', basic]], ['20', ['low', medium]], ['25', ['substantial']], ['30', ['high']],
  [`${saml}passwordprotectedtransport`, ['low', basic]], [`${saml}mobiletwofactorcontract`, ['low', medium]], [`${saml}smartcard`, ['substantial']], [`${saml}smartcardpki`, ['high']],
  ['http://eidas.europa.eu/loa/low', ['low']], ['http://eidas.europa.eu/loa/substantial', ['substantial']], ['http://eidas.europa.eu/loa/high', ['high']],
  ...(['urn:etoegang:core:assurance-class:', ''] as const).flatMap((before): [string, readonly [Level, Label?]][] => [
    [`${before}loa2`, ['low', bothLanguages('EH2')]], [`${before}loa2plus`, ['low', bothLanguages('EH2+')]], [`${before}loa3`, ['substantial', bothLanguages('EH3')]], [`${before}loa4`, ['high', bothLanguages('EH4')]],
  ]),
]);

/** How the caller logged in, in plain words: the means, and how sure it is as far as that is known. */
export function meansForPage(authMethod: string | undefined, assurance: string | undefined, settings: Pick<Tenant['screen'], 'loginMeans'>): MeansOnPage | null {
  if (authMethod === undefined) return null;
  const own = Object.hasOwn(settings.loginMeans, authMethod) ? settings.loginMeans[authMethod] : undefined;
  const name = own ? { nl: own.nl, en: own.en } : bothLanguages(means.get(authMethod.toLowerCase()) ?? visible(authMethod, 100).text);
  return { name, assurance: assuranceOf(assurance ?? own?.assurance) };
}

/** A level that is not known is shown as it was sent: it may mean something to the agent, and is not guessed at. */
function assuranceOf(value: string | undefined): AssuranceOnPage | null {
  if (value === undefined || value.trim() === '') return null;
  const [level, label] = known.get(value.trim().toLowerCase()) ?? [];
  if (!level) return { label: bothLanguages(visible(value.trim(), 100).text), meaning: null };
  return { label: label ?? levels[level], meaning: meanings[level] };
}
