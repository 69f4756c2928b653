// Sending the caller on: to a colleague, to the line of a service, or to a number outside. Or bringing the colleague in.
//
// Nothing of the caller is in here. The list is asked for when the agent opens it, and again while it is open.
import { $, element, setText } from './dom.js';
import { words } from './words.js';

/** How often the list is asked for again while it stands open, in ms: colleagues come and go. */
const refreshMs = 5000;
/** More than this many get a box to search in. */
const searchFrom = 8;
const reachable = new Set(['available', 'wrapUp', 'resting', 'busy', 'offered']);

const panel = $('transfer');
const opener = $('transfer-start');
const list = $('transfer-list');
const search = $('transfer-search');
const number = $('transfer-number');

let say = () => undefined;
let changed = () => undefined;
let language = 'nl';
/** What is open: { callId, targets, chosen, isSending, isAsking, problem }; null when nothing is. */
let open = null;
let refresh = 0;

export function startTransfer(tell, onChange) {
  say = tell;
  changed = onChange;
}

/** Tells targets of a list apart. */
const key = (target) => `${target.kind} ${target.name ?? ''}`;

export function hearTransfer(message) {
  if (message.type !== 'transferTargets' && message.type !== 'transferFailed') return false;
  if (!open || open.callId !== message.callId) return true;
  if (message.type === 'transferTargets') {
    open.targets = message.targets;
    drawTargets();
  } else {
    open.isSending = false;
    open.problem = message.reason in words[language].transferProblems ? message.reason : 'unknown';
  }
  return true;
}

export function openTransfer(callId) {
  if (open) return;
  open = { callId, targets: null, chosen: null, isSending: false, isAsking: false, problem: null };
  say({ type: 'transferTargets', callId });
  refresh = setInterval(() => {
    if (!open.isSending && document.visibilityState === 'visible') say({ type: 'transferTargets', callId });
  }, refreshMs);
  changed();
  $('transfer-title').focus();
}

export function closeTransfer() {
  clearInterval(refresh);
  open = null;
  list.replaceChildren();
  number.value = '';
  search.value = '';
}

export function renderTransfer(shownLanguage, isOffered) {
  if (language !== shownLanguage) {
    language = shownLanguage;
    if (open?.targets) drawTargets();
  }
  if (open && !isOffered) closeTransfer();
  const w = words[language];
  opener.hidden = !isOffered || open !== null;
  panel.hidden = open === null;
  if (!open) return;
  const isOutside = open.chosen?.kind === 'number';
  const entries = open.targets ? open.targets.agents.length + open.targets.services.length : 0;
  setText($('transfer-status'), open.isSending ? (open.isAsking ? w.askingIn : w.transferring) : open.targets === null ? w.fetching : entries === 0 && !open.targets.outside ? w.nobodyThere : '');
  setText($('transfer-problem'), open.problem ? (open.isAsking && open.problem in w.guestProblems ? w.guestProblems : w.transferProblems)[open.problem] : '');
  $('transfer-search-row').hidden = entries <= searchFrom;
  $('transfer-outside').hidden = !open.targets?.outside;
  $('transfer-warning').hidden = !isOutside;
  $('transfer-number-row').hidden = !isOutside;
  // Disabled in words only: a button that cannot have the focus would lose it in the middle of a transfer.
  for (const id of ['transfer-go', 'transfer-bring-in']) $(id).setAttribute('aria-disabled', String(open.isSending));
}

/** Draws the list anew; who had the focus keeps it, and what was chosen stays chosen if it is still there. */
function drawTargets() {
  const { targets } = open;
  const w = words[language];
  const held = document.activeElement?.name === 'target' ? document.activeElement.value : null;
  const groups = [];
  if (targets.agents.length > 0) {
    const sorted = [...targets.agents].sort((a, b) => order(a) - order(b) || a.displayName.localeCompare(b.displayName, language));
    groups.push(choices(w.colleagues, sorted.map((agent) => ({ target: { kind: 'agent', name: agent.name }, name: agent.displayName, note: w.seatStates[agent.state], state: agent.state, isDisabled: !reachable.has(agent.state) }))));
  }
  if (targets.services.length > 0) {
    groups.push(choices(w.services, targets.services.map((service) => ({ target: { kind: 'service', name: service.name }, name: service.name, note: serviceNote(w, service), state: service.staffed > 0 ? 'available' : 'away', isDisabled: false }))));
  }
  list.replaceChildren(...groups);
  if (open.chosen && open.chosen.kind !== 'number' && !list.querySelector('input:checked')) open.chosen = null;
  if (held !== null) [...list.querySelectorAll('input')].find((radio) => radio.value === held)?.focus({ preventScroll: true });
  filter();
}

const order = (agent) => (agent.state === 'available' ? 0 : reachable.has(agent.state) ? 1 : 2);
const serviceNote = (w, { waiting, staffed }) => (staffed === 0 ? w.nobodyStaffed : w.inLine.replace('{waiting}', String(waiting)).replace('{staffed}', String(staffed)));

function choices(title, entries) {
  const group = element('fieldset', 'choices');
  group.append(element('legend', undefined, title));
  for (const { target, name, note, state, isDisabled } of entries) {
    const line = element('label', `choice ${state}`);
    const radio = element('input');
    radio.type = 'radio';
    radio.name = 'target';
    radio.value = key(target);
    radio.disabled = isDisabled;
    radio.checked = !isDisabled && open.chosen !== null && key(open.chosen) === key(target);
    radio.addEventListener('change', () => choose(target));
    line.append(radio, element('span', 'name', name), element('span', 'note', note));
    group.append(line);
  }
  return group;
}

function choose(target) {
  open.chosen = target;
  open.problem = null;
  if (target.kind !== 'number') $('transfer-outside-choice').checked = false;
  changed();
}

function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const line of list.querySelectorAll('.choice')) line.hidden = wanted !== '' && !line.querySelector('.name').textContent.toLowerCase().includes(wanted);
}

opener.addEventListener('click', () => changed('openTransfer'));
search.addEventListener('input', filter);
$('transfer-outside-choice').addEventListener('change', () => {
  for (const radio of list.querySelectorAll('input:checked')) radio.checked = false;
  choose({ kind: 'number' });
  number.focus();
});
$('transfer-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!open || open.isSending) return;
  if (!open.chosen) {
    open.problem = 'noChoice';
    return changed();
  }
  let target = open.chosen;
  if (target.kind === 'number') {
    const plain = number.value.replaceAll(/[\s().-]/g, '');
    if (!/^\+?[0-9]{3,20}$/.test(plain)) {
      open.problem = 'noNumber';
      changed();
      return number.focus();
    }
    target = { kind: 'number', number: plain };
  }
  send({ type: 'transfer', callId: open.callId, target }, false);
});
$('transfer-bring-in').addEventListener('click', () => {
  if (!open || open.isSending) return;
  if (open.chosen?.kind !== 'agent') {
    open.problem = open.chosen ? 'onlyColleague' : 'noChoice';
    return changed();
  }
  send({ type: 'bringIn', callId: open.callId, colleague: open.chosen.name }, true);
});
function send(message, isAsking) {
  open.isSending = true;
  open.isAsking = isAsking;
  open.problem = null;
  say(message);
  changed();
}
function close() {
  if (!open) return;
  closeTransfer();
  changed();
  opener.focus();
}
$('transfer-close').addEventListener('click', close);
panel.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') close();
});
