// The agent's screen. What it must never do: show a caller who is not on the line.
//
// - Attributes live in text nodes of #identity and nowhere else in this page; taking them away empties that element.
// - Whatever the page does not understand, cannot reach or was not told lately makes it blank first.
import { $, isDrawn, setText } from './dom.js';
import { forgetIdentify, hearIdentify, identifyRevealed, identifyTitle, keepFocus, renderIdentify, startIdentify, tickIdentify } from './identify.js';
import { ago, clock, words } from './words.js';

/** An identity proved longer ago may be proved again; as long as a code lives by default. */
const oldAfterMs = 15 * 60_000;

const identityElement = $('identity');

let language = chosenLanguage();
let connection = 'connecting'; // connecting | live | lost | replaced
let availability = 'available';
let call = null; // nothing private: { callId, service, language, identified, phase, canIdentify, warning }
let waitedFrom = 0; // on the clock of performance.now()
let connectedFrom = 0;
/** When the shown identity was verified, on the clock of performance.now(); null when none is shown. */
let verifiedFrom = null;
let isProvedDuringCall = false;
/** Whether the agent has read the warning. */
let isWarningSeen = false;
let lastReason = null;
/** Grows whenever #identity is emptied or filled: an acknowledgement of something no longer drawn is not sent. */
let drawing = 0;

// ---- the socket -----------------------------------------------------------------------------------------------

let socket = null;
let retryMs = 500;
let retryTimer = 0;
let heardAt = 0;
let beatTimeoutMs = 9000;
let watch = 0;

function connect() {
  clearTimeout(retryTimer);
  connection = 'connecting';
  render();
  const own = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/screen/ws`);
  socket = own;
  let opened = false;
  own.addEventListener('message', (event) => {
    if (own !== socket) return;
    opened = true;
    heardAt = performance.now();
    let message;
    try {
      message = JSON.parse(event.data);
    } catch {
      return drop();
    }
    hear(message);
  });
  own.addEventListener('close', () => {
    if (own !== socket) return;
    socket = null;
    lost(!opened);
  });
  heardAt = performance.now();
  clearInterval(watch);
  watch = setInterval(checkHeard, 1000);
}

function say(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** A network can die without closing anything: silence counts as loss. */
function checkHeard() {
  if (socket && performance.now() - heardAt > beatTimeoutMs) drop();
}

function drop() {
  const old = socket;
  socket = null;
  old?.close();
  lost(false);
}

function lost(refused) {
  clearInterval(watch);
  forgetCall();
  lastReason = null;
  if (connection === 'replaced') return render();
  connection = 'lost';
  render();
  retryTimer = setTimeout(() => (refused ? connectIfLoggedIn() : connect()), retryMs * (0.75 + Math.random() / 2));
  retryMs = Math.min(retryMs * 2, 5000);
}

/** A refused socket does not say why, so ask. */
async function connectIfLoggedIn() {
  try {
    const answer = await fetch('/screen/session', { cache: 'no-store' });
    if (answer.status === 401) return toLogin();
  } catch {
    // Not reachable: trying the socket again will find out.
  }
  connect();
}

function toLogin() {
  forgetCall();
  render();
  location.replace('/login');
}

function hear(message) {
  switch (message.type) {
    case 'beat':
      return say({ type: 'beat' });
    case 'hello':
      forgetCall();
      connection = 'live';
      retryMs = 500;
      beatTimeoutMs = message.beatTimeoutMs;
      availability = message.availability;
      lastReason = null;
      $('agent').textContent = message.agent;
      take(message.call);
      return render();
    case 'availability':
      availability = message.value;
      return render();
    case 'offer':
      forgetCall();
      lastReason = null;
      take(message.call);
      return render();
    case 'update':
      if (!call || call.callId !== message.call.callId) return undefined;
      take(message.call);
      return render();
    case 'reveal':
      if (!call || call.callId !== message.callId) return undefined;
      blank();
      if (call.phase === 'ringing') call.phase = 'answered';
      call.identified = message.identified;
      isProvedDuringCall = message.identity !== null && message.how === 'duringCall';
      identifyRevealed();
      render();
      return reveal(message);
    case 'connected':
      if (!call || call.callId !== message.callId) return undefined;
      call.phase = 'connected';
      connectedFrom = performance.now() - message.connectedMs;
      return render();
    case 'warning':
      if (!call || call.callId !== message.callId) return undefined;
      call.warning = message.warning;
      isWarningSeen = false;
      return render();
    case 'clear':
      if (!call || call.callId !== message.callId) return undefined;
      forgetCall();
      lastReason = message.reason;
      return render();
    case 'replaced':
      forgetCall();
      connection = 'replaced';
      return render();
    case 'expired':
      return toLogin();
    default:
      return call && call.callId === message.callId && hearIdentify(message) ? render() : undefined;
  }
}

/** Nothing of a caller stays: details, digits, word, warning. */
function forgetCall() {
  blank();
  forgetIdentify();
  call = null;
  isProvedDuringCall = false;
  isWarningSeen = false;
}

function take(offered) {
  call = offered;
  if (!offered) return;
  waitedFrom = performance.now() - offered.waitedMs;
  if (offered.connectedMs !== undefined) connectedFrom = performance.now() - offered.connectedMs;
}

// ---- the identity ---------------------------------------------------------------------------------------------

function blank() {
  drawing += 1;
  verifiedFrom = null;
  identityElement.replaceChildren();
  identityElement.className = '';
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** An element whose text follows the language of the screen. Only labels and words, never a value, are kept this way. */
function labelled(tag, className, label) {
  const made = element(tag, className, label[language]);
  made.dataset.nl = label.nl;
  made.dataset.en = label.en;
  return made;
}

const wordLabel = (key) => ({ nl: words.nl[key], en: words.en[key] });

function row(list, label, value) {
  const line = element('div', value.length > 80 ? 'wide' : undefined);
  const definition = element('dd');
  // bdi: a value in another script cannot rearrange what stands around it.
  definition.append(element('bdi', undefined, value));
  line.append(labelled('dt', undefined, label), definition);
  list.append(line);
  return definition;
}

function reveal({ callId, revealId, identified, identity, how: proved }) {
  const values = [];
  if (identity === null) {
    identityElement.className = `unidentified ${identified}`;
    const part = (i) => ({ nl: words.nl.unidentified[identified][i], en: words.en.unidentified[identified][i] });
    identityElement.append(labelled('h2', undefined, part(0)), labelled('p', undefined, part(1)), labelled('p', undefined, wordLabel('notIdentified')));
  } else {
    identityElement.className = 'verified';
    identityElement.append(labelled('h2', undefined, wordLabel('verifiedTitle')));
    const list = element('dl', 'attributes');
    for (const field of identity.fields) {
      const definition = row(list, field.label, field.value);
      values.push([definition.firstChild, field.value]);
      if (field.shortened) definition.append(' ', labelled('small', undefined, wordLabel('shortened')));
    }
    if (identity.fields.length === 0) identityElement.append(labelled('p', undefined, wordLabel('noFields')));
    const how = element('dl', 'how');
    const purpose = row(how, wordLabel('purpose'), '');
    purpose.replaceChildren(labelled('bdi', undefined, identity.purpose));
    if (proved) row(how, wordLabel('how'), '').replaceChildren(labelled('bdi', undefined, wordLabel(proved)));
    const method = row(how, wordLabel('method'), '');
    method.replaceChildren(labelled('bdi', undefined, identity.method ?? wordLabel('noMethod')));
    const when = row(how, wordLabel('verifiedAt'), '');
    const time = element('time', undefined);
    time.dateTime = identity.verifiedAt;
    when.replaceChildren(time);
    verifiedFrom = performance.now() - identity.verifiedMsAgo;
    identityElement.append(list, how);
    render();
  }
  // Into view, without touching the focus.
  identityElement.scrollIntoView({ block: 'nearest' });
  const drawn = drawing;
  const heading = identityElement.firstElementChild;
  afterPainting(() => {
    const stands = drawn === drawing && isDrawn(heading)
      && values.every(([node, value]) => node.isConnected && node.textContent === value);
    if (stands) say({ type: 'ack', callId, revealId });
  });
}

/**
 * Runs once what was just put in the page is on the screen: the second animation frame after it. A page in the
 * background gets no frames, and its timers come late; there the layout is worked out at once and that has to do.
 */
function afterPainting(then) {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    then();
  };
  const timer = setTimeout(once, 300);
  if (document.visibilityState === 'hidden') {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      once();
    };
    channel.port2.postMessage(null);
  } else {
    requestAnimationFrame(() => requestAnimationFrame(once));
  }
}

// ---- the rest of the page -------------------------------------------------------------------------------------

function render() {
  const w = words[language];
  const live = connection === 'live';
  const held = document.activeElement;
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll('[data-word]')) setText(node, w[node.dataset.word]);
  for (const node of identityElement.querySelectorAll('[data-nl]')) setText(node, node.dataset[language]);
  setText($('language'), w.other);
  $('language').lang = language === 'nl' ? 'en' : 'nl';

  const shownConnection = connection === 'live' || connection === 'connecting' ? connection : 'lost';
  setText($('connection'), w[shownConnection]);
  $('connection').className = shownConnection;
  setText($('alarm'), connection === 'lost' ? w.lostAlarm : connection === 'replaced' ? w.replacedAlarm : '');
  $('use-here').hidden = connection !== 'replaced';

  $('availability').disabled = !live;
  for (const radio of document.querySelectorAll('input[name=availability]')) radio.checked = radio.value === availability;

  const idle = availability === 'break' ? w.onBreak : w.idle;
  setText($('state'), live ? (call ? w[call.phase] : idle) : '');
  setText($('news'), live && !call && lastReason ? w[lastReason] : '');
  $('call').hidden = !live;
  $('call').className = live && call ? call.phase : 'idle';

  $('call-facts').hidden = !call;
  setText($('fact-service'), call ? call.service : '');
  setText($('fact-language'), call ? w.languages[call.language] : '');
  setText($('fact-identified'), call ? (isProvedDuringCall ? w.verifiedDuringCall : w.identified[call.identified]) : '');
  $('fact-identified').className = call ? call.identified : '';
  $('fact-timer-row').hidden = call?.phase !== 'connected';
  $('end').hidden = !call || call.phase === 'ringing';
  $('warning').hidden = !call?.warning || isWarningSeen;
  setText($('warning-text'), call?.warning && !isWarningSeen ? w.warnings[call.warning] : '');
  renderClocks();
  renderAge();
  const subject = identifyTitle() ?? (call ? w.titleCall : undefined);
  document.title = subject ? `${subject} – ${w.title}` : w.title;
  keepFocus(held);
}

function renderClocks() {
  if (call && call.phase !== 'connected') setText($('fact-waited'), clock(performance.now() - waitedFrom));
  else if (call) setText($('fact-waited'), clock(connectedFrom - waitedFrom));
  else setText($('fact-waited'), '');
  setText($('timer'), call?.phase === 'connected' ? clock(performance.now() - connectedFrom) : '');
  tickIdentify();
}

function renderAge() {
  for (const time of identityElement.querySelectorAll('time')) {
    setText(time, new Date(time.dateTime).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' }));
  }
  const age = verifiedFrom === null ? null : Math.max(0, performance.now() - verifiedFrom);
  // The age changes by itself, so it stands outside the live region, which would be read out again every time.
  $('fact-age-row').hidden = age === null;
  setText($('fact-age'), age === null ? '' : ago(age, language));
  const isDoubtful = call?.identified !== 'verified' || call.warning !== null || (age !== null && age > oldAfterMs);
  renderIdentify(language, call, call?.phase === 'connected' && call.canIdentify && isDoubtful);
}

function chosenLanguage() {
  try {
    const kept = localStorage.getItem('language');
    if (kept === 'nl' || kept === 'en') return kept;
  } catch {
    // Storage can be switched off; the browser's language will do.
  }
  return navigator.language.startsWith('en') ? 'en' : 'nl';
}

$('language').addEventListener('click', () => {
  language = language === 'nl' ? 'en' : 'nl';
  try {
    localStorage.setItem('language', language);
  } catch {
    // As above.
  }
  render();
});
for (const radio of document.querySelectorAll('input[name=availability]')) {
  radio.addEventListener('change', () => {
    say({ type: 'availability', value: radio.value });
    // What stands here is what the server knows; it answers within a moment.
    render();
  });
}
$('end').addEventListener('click', () => {
  if (call) say({ type: 'end', callId: call.callId });
});
$('warning-seen').addEventListener('click', () => {
  isWarningSeen = true;
  render();
});
$('use-here').addEventListener('click', () => connect());

// A sign of the person, at most once a minute, keeps the login alive.
let activeSaidAt = 0;
for (const sign of ['pointerdown', 'keydown']) {
  addEventListener(sign, () => {
    if (performance.now() - activeSaidAt < 60_000) return;
    activeSaidAt = performance.now();
    say({ type: 'active' });
  }, { passive: true });
}

setInterval(renderClocks, 500);
setInterval(render, 15_000);
document.addEventListener('visibilitychange', checkHeard);

// Leaving, going back, freezing: nothing of a caller stays in a page that is put away.
function putAway() {
  clearTimeout(retryTimer);
  clearInterval(watch);
  forgetCall();
  const old = socket;
  socket = null;
  old?.close();
  connection = 'connecting';
  render();
}
addEventListener('pagehide', putAway);
document.addEventListener('freeze', putAway);
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
document.addEventListener('resume', () => connect());

startIdentify(say, render);
connect();
