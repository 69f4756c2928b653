import { html, type Html } from '../html.js';
import { LANGUAGES, type Language } from '../language.js';
import { grouped, spoken, spokenNumber } from './digits.js';
import { qrCode } from './qr-code.js';
import { COMPANION_TEXTS, type CompanionTexts } from './texts.js';
import type { StepView, View } from './view.js';

/** What all pages share. */
export interface Frame {
  readonly language: Language;
  /** The municipality, as citizens call it; undefined when the page belongs to none. */
  readonly organisation?: string;
  /** Path of what the pages are made of; the style sheets and the script stand below it. */
  readonly assets: string;
  /** Changes with the assets' content, so that browsers may keep them. */
  readonly version: string;
}

/** What stands on a live page beside its view. */
export interface PageContent {
  /** Path of the page. */
  readonly path: string;
  readonly now: number;
  readonly phoneNumber: string;
  readonly phoneNumberShown: string;
  readonly code?: string;
  readonly word: string;
  /** The word's language, which is that of the call. */
  readonly wordLanguage: Language;
  /** Without JavaScript: whether it asks for itself again and again. */
  readonly refreshes: boolean;
}

/** How often a page without JavaScript asks for itself again. */
const REFRESH_SECONDS = 10;

function frame({ language, organisation, assets, version }: Frame, title: string, head: Html | '', languageLink: string, main: Html): string {
  const other = LANGUAGES.find((known) => known !== language) ?? language;
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="format-detection" content="telephone=no">
<title>${title}${organisation === undefined ? '' : ` - ${organisation}`}</title>
<link rel="stylesheet" href="${assets}/citizen.css?v=${version}">
<link rel="stylesheet" href="${assets}/companion.css?v=${version}">
<link rel="icon" href="data:,">
${head}</head>
<body class="companion">
<header>
<p class="name">${organisation ?? ''}</p>
<p class="languages"><a href="${languageLink}${languageLink.includes('?') ? '&' : '?'}lang=${other}" lang="${other}" hreflang="${other}">${COMPANION_TEXTS[language].otherLanguage}</a></p>
</header>
${main}
</body>
</html>
`.text;
}

const paragraphs = (lines: readonly string[], className = ''): Html[] => lines.map((line) => (className ? html`<p class="${className}">${line}</p>` : html`<p>${line}</p>`));

function step({ name, state, text, stateText, time }: StepView): Html {
  return html`<li data-name="${name}" data-state="${state}" aria-atomic="true"${state === 'current' ? html` aria-current="step"` : ''}><span class="what">${text}</span><span class="unseen">${stateText === undefined ? '' : ` (${stateText})`}</span> <span class="when">${time ?? ''}</span></li>`;
}

function codeCard(view: View, content: PageContent, language: Language, texts: CompanionTexts): Html | '' {
  const { code, phoneNumber, phoneNumberShown } = content;
  if (!view.showsCode || code === undefined) return '';
  const groups = grouped(code);
  const tel = `tel:${phoneNumber},${code}`;
  return html`<section id="code" aria-label="${texts.code}">
<div class="how">
<dl>
<div><dt>${texts.number}</dt><dd class="number"><span aria-hidden="true">${phoneNumberShown}</span><span class="unseen">${spokenNumber(phoneNumberShown)}</span></dd></div>
<div><dt>${texts.code}</dt><dd class="code" data-code="${code}"><span class="groups" aria-hidden="true">${groups.map((group, index) => html`${index > 0 ? ' ' : ''}<span>${group}</span>`)}</span><span class="unseen">${spoken(groups)}</span></dd></div>
</dl>
<p class="buttons"><a class="button" href="${tel}">${texts.callNow}</a> <button type="button" id="copy" class="plain" hidden>${texts.copy}</button></p>
<p id="copied" class="done" role="status" data-text="${texts.copied}"></p>
${validity(view, content, language, texts)}
<p class="keep">${texts.keepToYourself}</p>
</div>
<div class="scan">
${qrCode(tel, texts.qr)}
<p>${texts.qrHelp}</p>
</div>
</section>`;
}

function validity(view: View, { path, now }: PageContent, language: Language, texts: CompanionTexts): Html | '' {
  if (!view.validity) return '';
  const { endsAt, sentence, help, extendable } = view.validity;
  return html`<div id="validity" tabindex="-1" data-now="${now}" data-ends="${endsAt}">
<p><strong id="until" role="status">${sentence}</strong> <span id="left" role="timer" hidden>${texts.left[0]} <span class="clock"></span> ${texts.left[1]}</span></p>
<p id="help">${help}</p>
<form method="post" action="${path}/longer?lang=${language}"${extendable ? '' : html` hidden`}><button type="submit" class="plain">${texts.longer}</button></form>
<p id="extended" class="done" role="status" data-text="${texts.extended}"></p>
</div>`;
}

function wordCard(view: View, content: PageContent, language: Language, texts: CompanionTexts): Html | '' {
  if (!view.showsWord) return '';
  const { word, wordLanguage, code } = content;
  const meaning = code === undefined ? texts.wordRead : wordLanguage === language ? texts.wordHeard : texts.wordHeardIn[wordLanguage];
  return html`<section id="word">
<h2>${texts.word}</h2>
<p class="word" lang="${wordLanguage}">${word}</p>
<p>${meaning}</p>
</section>`;
}

/** For browsers without JavaScript: the page follows by asking for itself, and can be told not to (WCAG 2.2, 2.2.1). */
function following({ path, refreshes }: PageContent, language: Language, texts: CompanionTexts): Html {
  const stay = `${path}?lang=${language}&refresh=off`;
  return refreshes
    ? html`<noscript><p class="following">${texts.refreshing} <a href="${stay}">${texts.stopRefreshing}</a></p></noscript>`
    : html`<noscript><p class="following"><a href="${stay}">${texts.refreshNow}</a> <a href="${path}?lang=${language}">${texts.refreshAgain}</a></p></noscript>`;
}

/** A session's page: what to do now, number and code, the steps, the word; at the end the receipt and nothing else. */
export function companionPage(shared: Frame, view: View, content: PageContent): string {
  const { language, assets, version, organisation } = shared;
  const texts = COMPANION_TEXTS[language];
  const { path, refreshes } = content;
  const refresh = view.live && refreshes ? html`<noscript><meta http-equiv="refresh" content="${REFRESH_SECONDS}"></noscript>\n` : '';
  const head = html`${refresh}<script src="${assets}/companion.js?v=${version}" type="module"></script>\n`;
  const steps = html`<section id="steps"${view.steps.length === 0 ? html` hidden` : ''}>
<h2>${texts.steps}</h2>
<ol id="journey" aria-live="polite">${view.steps.map(step)}</ol>
</section>
`;
  const word = wordCard(view, content, language, texts);
  const main = html`<main id="page"${view.live ? html` data-events="${path}/events?lang=${language}"` : ''} data-organisation="${organisation ?? ''}">
<div id="now">
<h1 id="title" tabindex="-1">${view.title}</h1>
<div id="lines">${paragraphs(view.lines, 'line')}</div>
<div id="warnings" role="alert">${paragraphs(view.warnings, 'problem')}</div>
<div id="receipt" role="status">${view.receipt ? html`<p class="sentence">${view.receipt.sentence}</p><p><time datetime="${view.receipt.at}">${view.receipt.when}</time></p>` : ''}</div>
<p id="offline" class="offline" role="status" data-text="${texts.offline}"></p>
</div>
${codeCard(view, content, language, texts)}
${content.code === undefined ? [word, steps] : [steps, word]}
${view.live ? following(content, language, texts) : ''}
</main>`;
  return frame(shared, view.title, head, refreshes ? path : `${path}?refresh=off`, main);
}

/** A page that belongs to no session, or cannot be shown now. `retry`: the address to try again. */
export function advicePage(shared: Frame, kind: 'gone' | 'store' | 'busy' | 'unexpected', retry: string): string {
  const texts = COMPANION_TEXTS[shared.language];
  const { title, lines } = texts[kind];
  const main = html`<main id="page">
<div id="now">
<h1>${title}</h1>
${paragraphs(lines, 'line')}
${kind === 'gone' ? '' : html`<p><a class="button" href="${retry}?lang=${shared.language}">${texts.tryAgain}</a></p>`}
</div>
</main>`;
  return frame(shared, title, '', retry, main);
}
