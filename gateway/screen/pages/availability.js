// Whether the agent takes calls: what they chose, and what the desk makes of it (wrap-up, a rest after a missed call).
import { $, setText } from './dom.js';
import { clock } from './time.js';
import { words } from './words.js';

const radios = [...document.querySelectorAll('input[name=availability]')];

let say = () => undefined;
let changed = () => undefined;
let availability = 'available';
/** What the agent chose and the server has not answered yet; null: nothing. */
let wished = null;
/** { state, until } with `until` on the clock of performance.now(), undefined for a state that stays; null: not told. */
let seat = null;

export function startAvailability(tell, onChange) {
  say = tell;
  changed = onChange;
  for (const radio of radios) {
    radio.addEventListener('change', () => {
      wish(radio.value);
      changed();
    });
  }
  $('ready-again').addEventListener('click', endWrapUp);
}

/** What the server knows. It answers every wish, in order; on a new connection nothing is left of wishes. */
export function hearAvailability(value, isNewConnection = false) {
  availability = value;
  if (isNewConnection || value === wished) wished = null;
}

export function hearSeat(told) {
  seat = told && { state: told.state, until: told.endsInMs === undefined ? undefined : performance.now() + told.endsInMs };
}

export function toggleAvailability() {
  wish((wished ?? availability) === 'break' ? 'available' : 'break');
  changed();
}

function wish(value) {
  wished = value;
  say({ type: 'availability', value });
}

export function endWrapUp() {
  if (seat?.state === 'wrapUp') say({ type: 'wrapUpDone' });
}

/** What the agent does when there is no call: break | wrapUp | resting | idle. */
export function idleState() {
  if (availability === 'break') return 'break';
  return seat?.state === 'wrapUp' || seat?.state === 'resting' ? seat.state : 'idle';
}

/** @param isLive whether the server hears what is chosen here */
export function renderAvailability(language, isLive, hasCall) {
  const w = words[language];
  $('availability').disabled = !isLive;
  for (const radio of radios) radio.checked = radio.value === (wished ?? availability);
  const shown = isLive && !hasCall ? seat?.state : undefined;
  const isPause = shown === 'wrapUp' || shown === 'resting';
  const hadFocus = document.activeElement === $('ready-again');
  $('seat').hidden = !isPause;
  setText($('seat-text'), isPause ? w.seat[shown] : '');
  $('ready-again').hidden = shown !== 'wrapUp';
  if (hadFocus && $('ready-again').hidden) radios.find((radio) => radio.checked)?.focus({ preventScroll: true });
  tickAvailability();
}

export function tickAvailability() {
  const left = seat?.until === undefined ? 0 : seat.until - performance.now();
  setText($('seat-left'), left > 0 && !$('seat').hidden ? clock(left + 999) : '');
}
