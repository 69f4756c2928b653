// What an agent can choose for this browser: notifications, sound, shortcut keys.
import { allowNotifications, canNotify, isSoundOn, notifyState, switchSound } from './alerts.js';
import { $, element, setText } from './dom.js';
import { areShortcutsOn, shortcutKeys, switchShortcuts } from './shortcuts.js';
import { words } from './words.js';

const opener = $('settings-open');
const panel = $('settings');
let changed = () => undefined;

export function startSettings(onChange) {
  changed = onChange;
}

export function renderSettings(language) {
  const w = words[language];
  opener.setAttribute('aria-expanded', String(!panel.hidden));
  const notify = notifyState();
  $('notify').checked = notify === 'on';
  $('notify').disabled = notify === 'denied';
  setText($('notify-note'), !canNotify() ? w.notifyImpossible : notify === 'denied' ? w.notifyDenied : w.notifyNote);
  $('sound').checked = isSoundOn();
  $('shortcuts').checked = areShortcutsOn();
  const list = $('shortcut-list');
  if (list.lang === language) return;
  list.lang = language;
  list.replaceChildren(...Object.entries(shortcutKeys).map(([code, action]) => {
    const line = element('div');
    const keys = element('dt');
    keys.append(element('kbd', undefined, 'Alt'), ' + ', element('kbd', undefined, 'Shift'), ' + ', element('kbd', undefined, code.slice(3)));
    line.append(keys, element('dd', undefined, w.shortcuts[action]));
    return line;
  }));
}

function close() {
  panel.hidden = true;
  changed();
  opener.focus();
}

opener.addEventListener('click', () => {
  panel.hidden = !panel.hidden;
  changed();
  if (!panel.hidden) $('settings-title').focus();
});
$('settings-close').addEventListener('click', close);
panel.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') close();
});
$('notify').addEventListener('change', () => void allowNotifications($('notify').checked).then(changed));
$('sound').addEventListener('change', () => switchSound($('sound').checked));
$('shortcuts').addEventListener('change', () => {
  switchShortcuts($('shortcuts').checked);
  changed();
});
