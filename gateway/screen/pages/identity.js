// Who is calling. Values live in text nodes of #identity and nowhere else in this page; taking them away empties that element.
//
// - A masked value is not in the page before the agent asked for it and the server sent it, and stands for a minute.
// - #identity speaks additions only (aria-relevant): what is revealed or unmasked is read out once, and nothing again.
import { $, element, icon, isDrawn, labelled, relabel, setText } from './dom.js';
import { ago } from './time.js';
import { words } from './words.js';

const box = $('identity');
/** Values longer than this get more room, and longer than that a line of their own; in characters. */
const longValue = 18;
const veryLongValue = 80;
const copiedMs = 2000;

let say = () => undefined;
let announce = () => undefined;
/** Grows whenever the box is emptied or filled: an acknowledgement of something no longer drawn is not sent. */
let drawing = 0;
/** The reveal that is drawn: { callId, revealId }. */
let drawn = null;
/** When the shown identity was verified, on the clock of performance.now(); null when none is shown. */
let verifiedFrom = null;
/** Masked fields by attribute name: { row, dd, label, timer }. */
const maskedFields = new Map();
const timers = new Set();

/** @param tell sends a message to the server; @param speak says something short to who does not see the screen */
export function startIdentity(tell, speak) {
  say = tell;
  announce = speak;
}

export function blankIdentity() {
  drawing += 1;
  drawn = null;
  verifiedFrom = null;
  for (const timer of timers) clearTimeout(timer);
  timers.clear();
  maskedFields.clear();
  box.replaceChildren();
  box.className = '';
}

/** Age of the proof in ms; null when no identity is shown. */
export const identityAge = () => (verifiedFrom === null ? null : Math.max(0, performance.now() - verifiedFrom));

const both = (key) => ({ nl: words.nl[key], en: words.en[key] });
const after = (ms, then) => {
  const timer = setTimeout(() => {
    timers.delete(timer);
    then();
  }, ms);
  timers.add(timer);
};

/** Draws a reveal; it is acknowledged when it stands on the screen. */
export function drawIdentity({ callId, revealId, identified, identity, how }) {
  const values = [];
  drawn = { callId, revealId };
  if (identity === null) drawUnidentified(identified);
  else drawIdentified(identity, how, values);
  // Into view, without touching the focus.
  box.scrollIntoView({ block: 'nearest' });
  const mine = drawing;
  const heading = box.querySelector('h2');
  afterPainting(() => {
    const stands = mine === drawing && isDrawn(heading) && values.every(([node, value]) => node.isConnected && node.textContent === value);
    if (stands) say({ type: 'ack', callId, revealId });
  });
}

function drawUnidentified(identified) {
  box.className = `unidentified ${identified}`;
  const part = (i) => ({ nl: words.nl.unidentified[identified][i], en: words.en.unidentified[identified][i] });
  box.append(heading(identified === 'awaiting' ? 'clock' : 'unknown', part(0)), labelled('p', undefined, part(1)), labelled('p', 'caution', both('notIdentified')));
}

function drawIdentified(identity, how, values) {
  box.className = 'verified';
  box.append(heading('check', both('verifiedTitle')));
  if (identity.represented) {
    // Two people: who is on the line, and for whom they act. Never mixed.
    box.append(group('caller', both('callerThemself'), identity.fields, values), group('represented', both('onBehalfOf'), identity.represented, values));
  } else {
    box.append(list(identity.fields, values));
  }
  const about = element('dl', 'how');
  if (identity.means) {
    const means = row(about, both('method'));
    means.append(labelled('bdi', undefined, identity.means.name));
    const { assurance } = identity.means;
    if (assurance) means.append(' ', labelled('bdi', undefined, assurance.label));
    if (assurance?.meaning) means.append(labelled('small', 'meaning', assurance.meaning));
  } else {
    row(about, both('method')).append(labelled('bdi', undefined, both('noMethod')));
  }
  if (how) row(about, both('how')).append(labelled('bdi', undefined, both(how)));
  const time = element('time');
  time.dateTime = identity.verifiedAt;
  row(about, both('verifiedAt')).append(time);
  row(about, both('purpose')).append(labelled('bdi', undefined, identity.purpose));
  verifiedFrom = performance.now() - identity.verifiedMsAgo;
  box.append(about);
}

function heading(iconName, label) {
  const made = element('h2');
  made.tabIndex = -1;
  made.append(icon(iconName), labelled('span', undefined, label));
  return made;
}

function group(className, title, fields, values) {
  const made = element('section', className);
  const name = labelled('h3', undefined, title);
  name.id = `identity-${className}`;
  made.setAttribute('aria-labelledby', name.id);
  made.append(name, list(fields, values));
  return made;
}

function list(fields, values) {
  if (fields.length === 0) return labelled('p', undefined, both('noFields'));
  const made = element('dl', 'attributes');
  for (const field of fields) {
    const length = (field.value ?? '').length;
    const dd = row(made, field.label, length > veryLongValue ? 'wide' : length > longValue || field.value === undefined ? 'long' : undefined);
    if (field.value === undefined) {
      maskedFields.set(field.name, { dd, label: field.label, timer: 0 });
      mask(field.name);
    } else {
      const bdi = value(dd, field.value, field.shortened);
      values.push([bdi, field.value]);
      dd.append(copyButton(bdi, field.label));
    }
  }
  return made;
}

function row(into, label, className) {
  const line = element('div', className);
  const dd = element('dd');
  line.append(labelled('dt', undefined, label), dd);
  into.append(line);
  return dd;
}

/** bdi: a value in another script cannot rearrange what stands around it. */
function value(into, text, isShortened) {
  const bdi = element('bdi', undefined, text);
  into.append(bdi);
  if (isShortened) into.append(' ', labelled('small', undefined, both('shortened')));
  return bdi;
}

// ---- masked fields --------------------------------------------------------------------------------------------

function button(iconName, key, label, className) {
  const made = element('button', className);
  made.type = 'button';
  const spoken = { nl: `${words.nl[key]} ${label.nl}`, en: `${words.en[key]} ${label.en}` };
  made.append(icon(iconName), labelled('span', 'unseen', spoken));
  // For who sees the screen and does not know the drawing.
  made.append(labelled('span', 'tip', both(key)));
  made.lastChild.setAttribute('aria-hidden', 'true');
  return made;
}

function mask(name, problem) {
  const field = maskedFields.get(name);
  clearTimeout(field.timer);
  timers.delete(field.timer);
  const hadFocus = field.dd.contains(document.activeElement);
  const dots = element('span', 'dots', '••••••••');
  dots.setAttribute('aria-hidden', 'true');
  const show = button('eye', 'show', field.label, 'mini show');
  show.addEventListener('click', () => {
    if (!drawn || show.getAttribute('aria-disabled') === 'true') return;
    // Disabled in words only: a button that cannot have the focus would lose it.
    show.setAttribute('aria-disabled', 'true');
    say({ type: 'unmask', ...drawn, field: name });
  });
  field.dd.replaceChildren(dots, labelled('span', 'unseen', both('masked')), show);
  if (problem) field.dd.append(labelled('small', 'fault', both(problem)));
  field.dd.className = 'masked';
  if (hadFocus) show.focus({ preventScroll: true });
}

/** What was asked for has come. Whether it is still wanted is seen from what is drawn now. */
export function hearUnmasked({ callId, revealId, field: name, value: text, shortened, hideAfterMs }) {
  const field = maskedFields.get(name);
  if (!field || drawn?.callId !== callId || drawn.revealId !== revealId) return;
  if (text === null) return mask(name, 'cannotShow');
  clearTimeout(field.timer);
  timers.delete(field.timer);
  const hadFocus = field.dd.contains(document.activeElement);
  field.dd.className = 'unmasked';
  field.dd.replaceChildren();
  const bdi = value(field.dd, text, shortened);
  const hide = button('eye-off', 'hide', field.label, 'mini');
  hide.addEventListener('click', () => mask(name));
  field.dd.append(copyButton(bdi, field.label), hide);
  if (hadFocus) hide.focus({ preventScroll: true });
  field.timer = setTimeout(() => mask(name), hideAfterMs);
  timers.add(field.timer);
}

// ---- copying --------------------------------------------------------------------------------------------------

function copyButton(bdi, label) {
  const made = button('copy', 'copy', label, 'mini');
  made.addEventListener('click', () => void copy(bdi, label, made));
  return made;
}

async function copy(bdi, label, pressed) {
  const language = document.documentElement.lang;
  const isCopied = await toClipboard(bdi);
  announce(isCopied ? `${words[language].copied}: ${label[language]}` : words[language].notCopied);
  if (!pressed.isConnected) return;
  pressed.classList.add(isCopied ? 'done' : 'failed');
  pressed.firstChild.replaceWith(icon(isCopied ? 'check' : 'unknown'));
  after(copiedMs, () => {
    pressed.classList.remove('done', 'failed');
    pressed.firstChild.replaceWith(icon('copy'));
  });
}

async function toClipboard(bdi) {
  try {
    await navigator.clipboard.writeText(bdi.textContent);
    return true;
  } catch {
    // Not on https, or in a frame that may not: the old way, by the selection.
    const selection = getSelection();
    selection.selectAllChildren(bdi);
    const isCopied = document.execCommand('copy');
    selection.removeAllRanges();
    return isCopied;
  }
}

// ---- the rest -------------------------------------------------------------------------------------------------

export function renderIdentity(language) {
  relabel(box, language);
  for (const time of box.querySelectorAll('time')) setText(time, new Date(time.dateTime).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' }));
}

/** The age changes by itself, so it stands outside the live region, which would be read out again every time. */
export const identityAgo = (language) => (verifiedFrom === null ? '' : ago(identityAge(), language));

export const focusIdentity = () => box.querySelector('h2')?.focus();

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
