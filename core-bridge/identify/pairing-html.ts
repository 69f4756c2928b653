import { html, type Html } from '../html.js';
import type { Language } from '../language.js';
import type { AuthMethod } from './core-client.js';
import { PAIRING_TEXTS, type PairingProblem } from './pairing-texts.js';

/** What all pairing pages of one municipality share. */
export interface PairingFrame {
  readonly language: Language;
  /** The municipality, as citizens call it. */
  readonly organisation: string;
  /** Path of the first page. */
  readonly path: string;
}

function page({ language, organisation, path }: PairingFrame, title: string, main: Html, problem?: PairingProblem): string {
  const texts = PAIRING_TEXTS[language];
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${problem ? `${texts.error}: ` : ''}${title} - ${organisation}</title>
<link rel="stylesheet" href="${path}/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<header>
<p class="name">${organisation}</p>
</header>
<main>
<h1>${title}</h1>
${problem ? html`<p class="problem" id="problem" role="alert">${texts.problems[problem]}</p>` : ''}
${main}
</main>
</body>
</html>
`.text;
}

/** The page where the code is typed. */
export function codeForm(frame: PairingFrame, digits: number, problem?: PairingProblem): string {
  const { language, organisation, path } = frame;
  const texts = PAIRING_TEXTS[language];
  const other = language === 'nl' ? 'en' : 'nl';
  return page(
    frame,
    texts.title,
    html`<p>${texts.intro(organisation)}</p>
<p><strong>${texts.warning}</strong></p>
<form method="post" action="${path}">
<input type="hidden" name="lang" value="${language}">
<div class="field pairing"><label for="code">${texts.label}</label>
<p class="hint" id="hint">${texts.hint(digits)}</p>
<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" spellcheck="false" required maxlength="${digits * 3}" aria-describedby="${problem ? 'problem hint' : 'hint'}"${problem === 'form' || problem === 'slip' || problem === 'code' ? html` aria-invalid="true"` : ''}></div>
<button type="submit">${texts.next}</button>
</form>
<p class="back"><a href="${path}?lang=${other}" lang="${other}" hreflang="${other}">${texts.otherLanguage}</a></p>`,
    problem,
  );
}

/** The page where a method is chosen: one button each, so that one press is enough. */
export function methodForm(frame: PairingFrame, ticket: string, methods: readonly AuthMethod[], problem?: PairingProblem): string {
  const { language, path } = frame;
  const texts = PAIRING_TEXTS[language];
  return page(
    frame,
    texts.methodsTitle,
    html`<p>${texts.methodsIntro}</p>
<form method="post" action="${path}/start">
<input type="hidden" name="lang" value="${language}">
<input type="hidden" name="ticket" value="${ticket}">
<ul class="methods">
${methods.map(({ tag, name }) => html`<li><button type="submit" name="method" value="${tag}">${name}</button></li>`)}
</ul>
</form>
<p>${texts.afterwards}</p>`,
    problem,
  );
}

/** What cannot be gone on with, and the way back. */
export function deadEnd(frame: PairingFrame, problem: PairingProblem): string {
  const texts = PAIRING_TEXTS[frame.language];
  return page(frame, texts.title, html`<p class="back"><a href="${frame.path}?lang=${frame.language}">${texts.again}</a></p>`, problem);
}
