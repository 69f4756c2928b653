// The agent's screen. What it must never do: show a caller who is not on the line.
//
// - Whatever the page does not understand, cannot reach or was not told lately makes it blank first.
// - The parts: socket.js (the way to the server), lease.js (how long what is shown may stand), identity.js (who calls),
//   identify.js (identification during the call), transfer.js, conference.js (a colleague in the conversation), availability.js, alerts.js, settings.js, shortcuts.js.
import { alertTo } from './alerts.js';
import { endWrapUp, hearAvailability, hearSeat, idleState, renderAvailability, startAvailability, tickAvailability, toggleAvailability } from './availability.js';
import { forgetConference, hearConference, isGuest, renderConference, startConference } from './conference.js';
import { $, isDrawn, setIcon, setText } from './dom.js';
import { forgetIdentify, hearIdentify, identifyRevealed, identifyTitle, keepFocus, renderIdentify, startIdentify, tickIdentify } from './identify.js';
import { blankIdentity, drawIdentity, focusIdentity, hearUnmasked, identityAge, identityAgo, renderIdentity, startIdentity } from './identity.js';
import { checkLease, endLease, renewLease, startLease } from './lease.js';
import { keepPref, pref } from './prefs.js';
import { renderSettings, startSettings } from './settings.js';
import { areShortcutsOn, startShortcuts } from './shortcuts.js';
import { checkHeard, connect, disconnect, say, startSocket } from './socket.js';
import { clock } from './time.js';
import { closeTransfer, hearTransfer, openTransfer, renderTransfer, startTransfer } from './transfer.js';
import { words } from './words.js';

/** An identity proved longer ago may be proved again; as long as a code lives by default. */
const oldAfterMs = 15 * 60_000;
/** How long a short confirmation stands for a screen reader, in ms. */
const saidMs = 4000;
const stateIcons = { break: 'cup', resting: 'cup', wrapUp: 'pen' };

let language = chosenLanguage();
let connection = 'connecting'; // connecting | live | lost | flooded | replaced
let call = null; // nothing private: { callId, service, language, identified, phase, canIdentify, canTransfer, transferredBy, guest, broughtInBy, warning }
let waitedFrom = 0; // on the clock of performance.now()
let connectedFrom = 0;
let isProvedDuringCall = false;
/** Whether the agent has read the warning. */
let isWarningSeen = false;
let lastReason = null;
let saidTimer = 0;
/** A form is on its way, and its answer leads elsewhere. */
let isLeaving = false;

// ---- what the server says ---------------------------------------------------------------------------------------

function hear(message) {
  checkLease();
  switch (message.type) {
    case 'hello':
      forgetCall();
      connection = 'live';
      hearAvailability(message.availability, true);
      hearSeat(message.seat);
      lastReason = null;
      setText($('agent'), message.agent);
      take(message.call);
      return render();
    case 'availability':
      hearAvailability(message.value);
      return render();
    case 'seat':
      hearSeat(message.seat);
      return render();
    case 'offer':
      forgetCall();
      lastReason = null;
      take(message.call);
      return render();
    case 'replaced':
      forgetCall();
      connection = 'replaced';
      return render();
    case 'expired':
      return goTo('/login');
    case 'locked':
      return goTo('/unlock');
    case 'update':
      if (call?.callId !== message.call.callId) return undefined;
      take(message.call);
      return render();
    default:
      // All the rest is about the call that is shown; about any other one it is late.
      return call && call.callId === message.callId ? hearOfCall(message) : undefined;
  }
}

function hearOfCall(message) {
  switch (message.type) {
    case 'lease':
      return renewLease(message.forMs);
    case 'reveal':
      blankIdentity();
      if (call.phase === 'ringing') call.phase = 'answered';
      call.identified = message.identified;
      isProvedDuringCall = message.identity !== null && message.how === 'duringCall';
      identifyRevealed();
      render();
      drawIdentity(message);
      return render();
    case 'unmasked':
      hearUnmasked(message);
      return render();
    case 'connected':
      call.phase = 'connected';
      connectedFrom = performance.now() - message.connectedMs;
      return render();
    case 'warning':
      call.warning = message.warning;
      isWarningSeen = false;
      return render();
    case 'clear':
      forgetCall();
      lastReason = message.reason;
      return render();
    default:
      return hearIdentify(message) || hearTransfer(message) || hearConference(message) ? render() : undefined;
  }
}

/** Nothing of a caller stays: details, digits, word, warning. */
function forgetCall() {
  blankIdentity();
  forgetIdentify();
  closeTransfer();
  forgetConference();
  endLease();
  call = null;
  isProvedDuringCall = false;
  isWarningSeen = false;
}

function take(offered) {
  call = offered;
  if (!offered) return;
  waitedFrom = performance.now() - offered.waitedMs;
  if (offered.connectedMs !== undefined) connectedFrom = performance.now() - offered.connectedMs;
  renewLease(offered.leaseMs);
}

function goTo(place) {
  disconnect();
  forgetCall();
  connection = 'connecting';
  render();
  // Of two journeys at once each can stop the other, and the page would go nowhere.
  if (!isLeaving) location.replace(place);
}

// ---- what the page shows ----------------------------------------------------------------------------------------

function render() {
  const w = words[language];
  const live = connection === 'live';
  const held = document.activeElement;
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll('[data-word]')) setText(node, w[node.dataset.word]);
  setText($('language'), w.other);
  $('language').lang = language === 'nl' ? 'en' : 'nl';

  const shownConnection = connection === 'live' || connection === 'connecting' ? connection : 'lost';
  setText($('connection'), w[shownConnection]);
  $('connection').className = shownConnection;
  setText($('alarm'), { lost: w.lostAlarm, flooded: w.floodedAlarm, replaced: w.replacedAlarm }[connection] ?? '');
  $('use-here').hidden = connection !== 'replaced';

  renderAvailability(language, live, call !== null);
  const state = call ? call.phase : idleState();
  setText($('state'), live ? w.states[state] : '');
  setText($('news'), live && !call ? (lastReason ? w[lastReason] : state === 'idle' ? w.idleHint : '') : '');
  const isIdentityComing = live && call !== null && !$('identity').firstChild;
  $('placeholder').hidden = !isIdentityComing;
  setText($('placeholder'), isIdentityComing ? w.placeholder[call.phase === 'connected' ? 'fetching' : call.identified === 'verified' ? 'verified' : 'other'] : '');
  setIcon($('state-icon'), stateIcons[state] ?? 'phone');
  $('call').hidden = !live;
  $('call').className = live ? (call ? `busy ${call.phase}` : `idle ${state}`) : '';
  document.body.classList.toggle('in-call', live && call !== null);

  $('call-facts').hidden = !call;
  setText($('fact-service'), call ? call.service : '');
  setText($('fact-language'), call ? w.languages[call.language] : '');
  setText($('fact-identified'), call ? (isProvedDuringCall ? w.verifiedDuringCall : w.identified[call.identified]) : '');
  $('fact-identified').className = call ? call.identified : '';
  $('fact-from-row').hidden = !call?.transferredBy;
  setText($('fact-from'), call?.transferredBy ?? '');
  $('fact-by-row').hidden = !isGuest(call);
  setText($('fact-by'), call?.broughtInBy ?? '');
  $('end').hidden = !call || call.phase === 'ringing' || isGuest(call);
  $('warning').hidden = !call?.warning || isWarningSeen;
  setText($('warning-text'), call?.warning && !isWarningSeen ? w.warnings[call.warning] : '');
  renderIdentity(language);
  renderTransfer(language, mayTransfer());
  renderConference(language, live ? call : null);
  renderSettings(language);
  renderShortcuts();
  renderClocks();
  renderAge();
  const subject = identifyTitle() ?? (call ? w.titleCall : undefined);
  document.title = subject ? `${subject} – ${w.title}` : w.title;
  alertTo(call?.phase === 'ringing' ? call : null, language);
  keepFocus(held);
}

function renderClocks() {
  if (call && call.phase !== 'connected') setText($('fact-waited'), clock(performance.now() - waitedFrom));
  else if (call) setText($('fact-waited'), clock(connectedFrom - waitedFrom));
  else setText($('fact-waited'), '');
  setText($('timer'), call?.phase === 'connected' ? clock(performance.now() - connectedFrom) : '');
  tickIdentify();
  tickAvailability();
}

function renderAge() {
  const age = identityAge();
  $('fact-age-row').hidden = age === null;
  setText($('fact-age'), identityAgo(language));
  const isDoubtful = call?.identified !== 'verified' || call.warning !== null || (age !== null && age > oldAfterMs);
  $('fact-age').className = age !== null && age > oldAfterMs ? 'awaiting' : '';
  renderIdentify(language, call, call?.phase === 'connected' && call.canIdentify && isDoubtful);
}

/** Assistive technology can tell which keys there are, as long as they do something. */
function renderShortcuts() {
  const keys = { 'identify-start': 'V', 'transfer-start': 'D', 'ready-again': 'K' };
  for (const [id, key] of Object.entries(keys)) {
    if (areShortcutsOn()) $(id).setAttribute('aria-keyshortcuts', `Alt+Shift+${key}`);
    else $(id).removeAttribute('aria-keyshortcuts');
  }
}

/** Says something short to who does not see the screen; never a value. */
function announce(text) {
  clearTimeout(saidTimer);
  setText($('said'), text);
  saidTimer = setTimeout(() => setText($('said'), ''), saidMs);
}

function chosenLanguage() {
  const kept = pref('language', '');
  if (kept === 'nl' || kept === 'en') return kept;
  return navigator.language.startsWith('en') ? 'en' : 'nl';
}

// ---- what the agent does ----------------------------------------------------------------------------------------

const mayTransfer = () => call?.phase === 'connected' && call.canTransfer && !call.guest;
const offerTransfer = () => {
  if (mayTransfer()) openTransfer(call.callId);
};

$('language').addEventListener('click', () => {
  language = language === 'nl' ? 'en' : 'nl';
  keepPref('language', language);
  render();
});
$('end').addEventListener('click', () => {
  if (call) say({ type: 'end', callId: call.callId });
});
$('warning-seen').addEventListener('click', () => {
  isWarningSeen = true;
  render();
});
$('use-here').addEventListener('click', () => {
  connection = 'connecting';
  render();
  connect();
});
// Blank before anything is asked of a server that may be slow.
$('lock').addEventListener('submit', () => {
  isLeaving = true;
  forgetCall();
  render();
});
// The same; and the socket's own goodbye must not lead elsewhere than the answer does.
document.querySelector('form[action="/logout"]').addEventListener('submit', () => {
  disconnect();
  forgetCall();
  connection = 'connecting';
  render();
});

startShortcuts({
  break: toggleAvailability,
  ready: endWrapUp,
  details: () => (call && $('identity').firstChild ? focusIdentity() : $('state').focus()),
  identify: () => isDrawn($('identify-start')) && $('identify-start').click(),
  transfer: offerTransfer,
  // Only goes there: nobody is hung up on by a slip of the hand.
  end: () => isDrawn($('end')) && $('end').focus(),
  lock: () => $('lock').requestSubmit(),
});

// A sign of the person, at most once a minute, keeps the login alive.
let activeSaidAt = 0;
for (const sign of ['pointerdown', 'keydown']) {
  addEventListener(sign, () => {
    if (performance.now() - activeSaidAt < 60_000) return;
    activeSaidAt = performance.now();
    say({ type: 'active' });
  }, { passive: true });
}

// ---- beginning and end ------------------------------------------------------------------------------------------

setInterval(renderClocks, 500);
setInterval(render, 15_000);
document.addEventListener('visibilitychange', checkHeard);

// Leaving, going back, freezing: nothing of a caller stays in a page that is put away.
function putAway() {
  disconnect();
  forgetCall();
  connection = 'connecting';
  render();
}
addEventListener('pagehide', putAway);
document.addEventListener('freeze', putAway);
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
document.addEventListener('resume', () => connect());

// Narrow, inside the window of another program: less around it, the same within.
document.documentElement.classList.toggle('embedded', window.top !== window.self);

startLease(() => {
  const ended = call?.callId;
  forgetCall();
  lastReason = 'leaseEnded';
  render();
  // The call may be alive, and then shows itself again.
  if (ended !== undefined) say({ type: 'leaseEnded', callId: ended });
});
startIdentity(say, announce);
startIdentify(say, render);
startAvailability(say, render);
startSettings(render);
startConference(say, render);
startTransfer(say, (wish) => (wish === 'openTransfer' ? offerTransfer() : render()));
startSocket({
  heard: hear,
  connecting: () => {
    connection = 'connecting';
    render();
  },
  /** @returns whether to connect again */
  lost: (isFlood) => {
    forgetCall();
    lastReason = null;
    if (connection !== 'replaced') connection = isFlood ? 'flooded' : 'lost';
    render();
    return connection !== 'replaced';
  },
  refused: goTo,
});
render();
connect();
