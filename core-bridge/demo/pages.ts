import type { Tenant } from '../../config/index.js';
import { html, type Html } from '../html.js';
import { FIELDS, type Persona } from './personas.js';

/** What the last page shows. `outcome` is what the test authentication was asked to report. */
export interface CodePage {
  readonly numberShown: string;
  readonly code: string;
  readonly clientUrl: string;
  readonly lifetimeSeconds: number;
  readonly command: string;
  readonly outcome: Outcome;
}

/** How late a late result is. */
export const LATE_SECONDS = 10;

/** The choices of the test authentication page. */
export const OUTCOMES = {
  verified: 'The citizen is verified',
  late: `Verified, but the result arrives ${LATE_SECONDS} seconds later`,
  failed: 'The authentication fails',
  none: 'No result arrives at all',
} as const;
export type Outcome = keyof typeof OUTCOMES;

const STEPS = ['Choose a subject', 'Say who you are', 'Call'] as const;

/** @param step which of the steps this is; undefined when they do not apply */
function page(title: string, step: number | undefined, main: Html): string {
  const steps = STEPS.map((label, index) => html`<li${index === step ? html` aria-current="step"` : ''}>${label}</li>`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} - telephone identity demo</title>
<link rel="stylesheet" href="/demo/style.css">
<link rel="icon" href="/demo/icon.svg" type="image/svg+xml">
</head>
<body>
<header>
<p class="name">Telephone identity demo</p>
<p class="warning">Test environment. Nobody is checked here: use no real personal data.</p>
</header>
<main>
${step === undefined ? '' : html`<ol class="steps" aria-label="Steps">${steps}</ol>`}
<h1>${title}</h1>
${main}
</main>
</body>
</html>
`.text;
}

/** `report_move` as people read it. */
function readable(purpose: string): string {
  const words = purpose.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** First step: what the call is about. */
export function purposePage(services: Tenant['services']): string {
  const first = services[0]?.purposes[0];
  const groups = services.map(
    (service) => html`<fieldset>
<legend>${service.name}</legend>
${service.purposes.map((purpose) => html`<label class="choice"><input type="radio" name="purpose" value="${purpose}" required${purpose === first ? html` checked` : ''}> <span>${readable(purpose)}</span></label>`)}
</fieldset>`,
  );
  return page(
    'What is your call about?',
    0,
    html`<p>This page stands in for a municipality’s website and its ID Contact core. In three steps it gives you a code to call with.</p>
<form method="get" action="/demo/authentication">
${groups}
<button type="submit">Next: say who you are</button>
</form>`,
  );
}

/** Second step: the test authentication, where anyone can be anyone. */
export function authenticationPage(purpose: string, persona: Persona, problem?: string): string {
  return page(
    'Test authentication',
    1,
    html`${authenticationForm({ action: '/demo/authentication', purpose, persona, outcomes: OUTCOMES, button: 'Give me a code', problem })}
<p class="back"><a href="/demo">Back to the subjects</a></p>`,
  );
}

/** The same for a citizen who is on the telephone, sent here by the gateway. */
export function callAuthenticationPage(action: string, purpose: string, persona: Persona, problem?: string): string {
  const { verified, failed } = OUTCOMES;
  return page('Test authentication', undefined, authenticationForm({ action, purpose, persona, outcomes: { verified, failed }, button: 'This is me', problem }));
}

interface AuthenticationForm {
  readonly action: string;
  readonly purpose: string;
  readonly persona: Persona;
  readonly outcomes: Partial<typeof OUTCOMES>;
  readonly button: string;
  readonly problem: string | undefined;
}

function authenticationForm({ action, purpose, persona, outcomes, button, problem }: AuthenticationForm): Html {
  const fields = FIELDS.map(
    ({ name, label, type }) => html`<div class="field"><label for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${type}" value="${persona[name]}" maxlength="200" autocomplete="off" spellcheck="false"></div>`,
  );
  const choices = Object.entries(outcomes).map(
    ([value, label], index) => html`<label class="choice"><input type="radio" name="outcome" value="${value}"${index === 0 ? html` checked` : ''}> <span>${label}</span></label>`,
  );
  return html`${problem === undefined ? '' : html`<p class="problem" role="alert">${problem}</p>`}
<p>In real life you would log in here with DigiD, Yivi or the like. What you fill in is signed and encrypted as a real plugin does, and the agent will see it.</p>
<form method="post" action="${action}">
<input type="hidden" name="purpose" value="${purpose}">
<fieldset>
<legend>Who are you today?</legend>
${fields}
</fieldset>
<fieldset>
<legend>What should happen?</legend>
${choices}
</fieldset>
<button type="submit">${button}</button>
</form>`;
}

/** Digits in groups of three, the last of three to five: 3-3-4 for ten. Spaces are real, so that a screen reader pauses. */
export function grouped(code: string): string[] {
  const groups: string[] = [];
  let rest = code;
  while (rest.length > 5) {
    groups.push(rest.slice(0, 3));
    rest = rest.slice(3);
  }
  return rest === '' ? groups : [...groups, rest];
}

const EXPECTATIONS: Readonly<Record<Outcome, string>> = {
  verified: 'Your details are on their way to the municipality, and become readable only when an agent takes your call.',
  late: `The result arrives ${LATE_SECONDS} seconds after this page was made. Type the code sooner, and the gateway waits for it.`,
  failed: 'The authentication failed, so the agent will be told that you are not identified.',
  none: 'No result will arrive, so after a short wait the agent is told that you are not identified.',
};

/** Third step: the number, the code, and the ways to use them. */
export function codePage(session: CodePage): string {
  const minutes = Math.floor(session.lifetimeSeconds / 60);
  const lifetime = minutes >= 2 ? `${minutes} minutes` : `${session.lifetimeSeconds} seconds`;
  return page(
    'Call with this code',
    2,
    html`<dl class="numbers">
<div><dt>Number</dt><dd class="number">${session.numberShown}</dd></div>
<div><dt>Your code</dt><dd class="code">${grouped(session.code).map((group, index) => html`${index > 0 ? ' ' : ''}<span>${group}</span>`)}</dd></div>
</dl>
<p>${EXPECTATIONS[session.outcome]} The code works once, for ${lifetime}.</p>
<p><a class="button" href="${session.clientUrl}">Call now, code included</a></p>
<section>
<h2>Without a telephone</h2>
<p>Let the built-in test phone call, from the project’s folder:</p>
<pre><code>${session.command}</code></pre>
<p>With a softphone of your own: call, type the code when the voice asks for it, and close with the hash key (#).</p>
</section>
<p class="back"><a href="/demo">Start again as somebody else</a></p>`,
  );
}

/** Anything that went wrong, with a way back. */
export function problemPage(title: string, sentence: string): string {
  return page(title, undefined, html`<p class="problem" role="alert">${sentence}</p><p class="back"><a href="/demo">Start again</a></p>`);
}
