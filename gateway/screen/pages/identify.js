// The caller identifies themselves during the call: what the agent reads out, then the word to compare.
//
// - Address, digits and word stand in the elements of #identify and in #spoken while they are needed, and nowhere else.
// - Nothing here moves the focus by itself: only when what had the focus goes away does it stay near.
import { $, isDrawn, setText } from './dom.js';
import { clock } from './time.js';
import { groupDigits, words } from './words.js';

/** A question that appears under a moving mouse is not answered by a click meant for what stood there. */
const questionStandsMs = 500;

const panel = $('identify');
const startButton = $('identify-start');
/** The one thing that is going on: { kind, callId, ... }; null when nothing is. */
let step = null;
let language = 'nl';
let call = null;
let questionTimer = 0;
let say = () => undefined;
let changed = () => undefined;

/** @param tell sends a message to the server; @param onChange asks for a rendering of the page */
export function startIdentify(tell, onChange) {
  say = tell;
  changed = onChange;
}

/** Whether this message was one of ours. It is about the call that is shown. */
export function hearIdentify(message) {
  const { type, callId } = message;
  if (type === 'invitation') {
    go({ kind: 'invitation', callId, address: message.address, pairingCode: message.pairingCode, until: performance.now() + message.expiresInMs });
  } else if (type === 'confirmWord') {
    go({ kind: 'compare', callId, confirmId: message.confirmId, word: message.word, isReady: false });
    questionTimer = setTimeout(() => {
      step.isReady = true;
      changed();
    }, questionStandsMs);
  } else if (type === 'identifyFailed') {
    go({ kind: step?.kind === 'deleting' ? 'otherWord' : 'failed', callId });
  } else if (type === 'invitationFailed') {
    go({ kind: message.reason in words[language].identifySteps ? message.reason : 'unreachable', callId });
  } else {
    return false;
  }
  return true;
}

/** The details are there: a comparison that led to them is over. */
export function identifyRevealed() {
  if (step?.kind === 'checking') go(null);
}

/** Takes everything of an invitation off the page. */
export function forgetIdentify() {
  if (step) go(null);
}

/** What the title of the window should say first, if anything. */
export const identifyTitle = () => (step?.kind === 'compare' ? words[language].titleCompare : undefined);

/** @param isOffered whether the agent may ask this caller to identify themselves (again) */
export function renderIdentify(shownLanguage, shownCall, isOffered) {
  language = shownLanguage;
  call = shownCall;
  const w = words[language];
  const isUnderWay = step !== null && ['asking', 'invitation', 'expired', 'compare', 'checking', 'deleting'].includes(step.kind);
  startButton.hidden = !isOffered || isUnderWay;
  setText(startButton, call?.identified === 'verified' ? w.identifyAgain : w.identify);

  const is = (...kinds) => step !== null && kinds.includes(step.kind);
  const [title, text] = step ? w.identifySteps[step.kind] : ['', ''];
  panel.hidden = step === null;
  panel.className = step?.kind ?? '';
  setText($('identify-title'), title);
  setText($('identify-text'), text);

  // What the agent says to the caller is in the caller's language.
  const callerWords = words[call?.language ?? language];
  const toSay = is('invitation') ? callerWords.sayInvitation.replace('{address}', () => step.address) : is('compare') ? callerWords.sayCompare : '';
  $('identify-say').hidden = toSay === '';
  $('identify-say').lang = call?.language ?? language;
  setText($('identify-say'), toSay);

  $('invitation').hidden = !is('invitation');
  const groups = is('invitation') ? groupDigits(step.pairingCode) : [];
  setText($('invitation-address'), is('invitation') ? step.address : '');
  setText($('invitation-digits'), groups.join(' '));
  setText($('invitation-spelled'), spelled(groups));

  $('comparison').hidden = !is('compare');
  $('comparison-word').lang = call?.language ?? language;
  setText($('comparison-word'), is('compare') ? step.word : '');
  $('word-same').hidden = $('word-other').hidden = !is('compare');
  $('word-same').disabled = $('word-other').disabled = !(is('compare') && step.isReady);
  $('identify-renew').hidden = !is('expired');
  $('identify-stop').hidden = !is('invitation', 'expired');
  $('identify-close').hidden = step === null || isUnderWay;
  setText($('spoken'), step ? announcement(w, title, text, toSay, groups) : '');
  tickIdentify();
}

/** The countdown, and its end. */
export function tickIdentify() {
  const left = step?.kind === 'invitation' ? step.until - performance.now() : 0;
  setText($('invitation-left'), left > 0 ? clock(left) : '');
  if (step?.kind !== 'invitation' || left > 0) return;
  go({ kind: 'expired', callId: step.callId });
  changed();
}

function go(next) {
  clearTimeout(questionTimer);
  step = next;
}

/** The whole of it at once for who does not see the screen; it stands outside the panel, where the clock would repeat it. */
function announcement(w, title, text, toSay, groups) {
  const parts = [title, text, toSay];
  if (step.kind === 'invitation') parts.push(spelled(groups));
  if (step.kind === 'compare') parts.push(`${w.mustBe} ${step.word}`, w.doNotSay);
  return parts.filter((part) => part !== '').map((part) => (/[.?:…’]$/.test(part) ? part : `${part}.`)).join(' ');
}

const spelled = (groups) => groups.map((group) => [...group].join(' ')).join(', ');

/** Keeps the focus near `held`, which had it before the page changed: a button that goes away must not throw a keyboard user to the top. */
export function keepFocus(held) {
  if (!held || held === document.body || isDrawn(held)) return;
  // Another part of the page has taken care of it.
  if (document.activeElement !== held && document.activeElement !== document.body) return;
  [$('identify-title'), startButton, $('state')].find(isDrawn)?.focus({ preventScroll: true });
}

function ask() {
  if (!call) return;
  go({ kind: 'asking', callId: call.callId });
  say({ type: 'identify', callId: call.callId });
  changed();
}

function answer(same) {
  if (step?.kind !== 'compare' || !step.isReady) return;
  const { callId, confirmId } = step;
  go({ kind: same ? 'checking' : 'deleting', callId });
  say({ type: 'word', callId, confirmId, same });
  changed();
}

startButton.addEventListener('click', ask);
$('identify-renew').addEventListener('click', ask);
$('word-same').addEventListener('click', () => answer(true));
$('word-other').addEventListener('click', () => answer(false));
$('identify-stop').addEventListener('click', () => {
  if (step) say({ type: 'withdraw', callId: step.callId });
  go(null);
  changed();
});
$('identify-close').addEventListener('click', () => {
  go(null);
  changed();
});
