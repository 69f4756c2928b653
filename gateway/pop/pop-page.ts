/** What an agent reads who opened the address of a handed-over call before it was theirs. Nothing of the caller. */
import { html } from '../../core-bridge/html.js';
import type { ScreenLanguage } from '../screen/contract.js';
import { pageFrame } from '../sign-in/page-frame.js';

export type PopSituation = 'mayClaim' | 'notYours' | 'tooEarly' | 'ended';

const texts: Record<ScreenLanguage, Record<PopSituation | 'title' | 'claim' | 'screen' | 'again', string>> = {
  nl: {
    title: 'Gesprek uit de wachtrij',
    mayClaim: 'Zodra dit gesprek op uw telefoon is, staat de beller op uw scherm. Gebeurt dat niet, dan kunt u aangeven dat u dit gesprek hebt. Dat kan één keer en wordt vastgelegd.',
    notYours: 'Dit gesprek is bij een ander, of is dat geweest. Daarom is hier niets te zien.',
    tooEarly: 'Dit gesprek is nog niet in de wachtrij aangekomen. Probeer het zo opnieuw.',
    ended: 'Dit gesprek is voorbij, of dit adres klopt niet. Er is niets van bewaard.',
    claim: 'Ik heb dit gesprek',
    screen: 'Naar mijn scherm',
    again: 'Opnieuw kijken',
  },
  en: {
    title: 'Call from the queue',
    mayClaim: 'When this call is on your phone, the caller is on your screen. If that does not happen, you can say that you have this call. That works once and is recorded.',
    notYours: 'This call is with somebody else, or has been. So there is nothing to see here.',
    tooEarly: 'This call has not arrived in the queue yet. Try again in a moment.',
    ended: 'This call is over, or this address is not right. Nothing of it is kept.',
    claim: 'I have this call',
    screen: 'To my screen',
    again: 'Look again',
  },
};

export function popPage(language: ScreenLanguage, situation: PopSituation, reference: string): string {
  const w = texts[language];
  const claim = situation === 'mayClaim' ? html`<form method="post" action="/pop/${reference}"><button type="submit" class="primary">${w.claim}</button></form>` : '';
  const again = situation === 'mayClaim' || situation === 'tooEarly' ? html`<p><a href="/pop/${reference}">${w.again}</a></p>` : '';
  return pageFrame({
    language, title: w.title, icon: '/screen/assets/icon.svg', styles: ['/screen/assets/style.css'], bodyClass: 'login',
    matter: html`<h1>${w.title}</h1>
<p>${w[situation]}</p>
${claim}${again}
<p><a href="/screen">${w.screen}</a></p>`,
  });
}
