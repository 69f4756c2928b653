// A colleague in the conversation: the one whom this agent brings in, or this agent, whom a colleague brings in.
//
// Nothing of the caller is in here. Who is there is the server's word, in the call; here stands only why somebody is not.
import { $, isDrawn, setText } from './dom.js';
import { words } from './words.js';

const section = $('guest');
let say = () => undefined;
let changed = () => undefined;
let callId = null;
/** The colleague who was there last, and why they are not any more: { name, reason }. */
let gone = null;
let lastName = '';
let wasThere = false;

export function startConference(tell, onChange) {
  say = tell;
  changed = onChange;
}

export function hearConference(message) {
  if (message.type !== 'guestGone') return false;
  gone = { name: lastName, reason: message.reason in words.nl.guestProblems ? message.reason : 'unknown' };
  return true;
}

export function forgetConference() {
  gone = null;
  lastName = '';
}

/** Where this agent is the guest, the call is not theirs to end. */
export const isGuest = (call) => call?.broughtInBy !== null && call?.broughtInBy !== undefined;

export function renderConference(language, call) {
  const w = words[language];
  callId = call?.callId ?? null;
  const guest = call?.guest ?? null;
  const isIn = isGuest(call) && call.phase !== 'ringing';
  if (guest) {
    lastName = guest.name;
    gone = null;
  }
  section.hidden = !guest && !isIn && !(call && gone);
  section.className = guest?.isJoined || isIn ? 'joined' : guest ? 'ringing' : 'gone';
  const [title, text] = guest
    ? w.guest[guest.isJoined ? 'joined' : 'ringing']
    : isIn ? w.guest.self : gone ? [w.guest.gone, w.guestProblems[gone.reason]] : ['', ''];
  const name = guest?.name ?? (isIn ? call.broughtInBy : (gone?.name ?? ''));
  setText($('guest-title'), title.replace('{name}', name));
  setText($('guest-text'), text.replace('{name}', name));
  $('guest-leave').hidden = !guest?.isJoined && !isIn;
  $('guest-out').hidden = !guest;
  setText($('guest-out'), guest?.isJoined ? w.takeOut : w.askNoMore);
  $('guest-close').hidden = !gone || guest !== null;
  // The panel in which the colleague was chosen has gone, and the focus with it.
  if (guest && !wasThere && !isDrawn(document.activeElement)) $('guest-title').focus({ preventScroll: true });
  wasThere = guest !== null;
}

$('guest-leave').addEventListener('click', () => callId !== null && say({ type: 'leave', callId }));
$('guest-out').addEventListener('click', () => callId !== null && say({ type: 'guestOut', callId }));
$('guest-close').addEventListener('click', () => {
  gone = null;
  changed();
});
