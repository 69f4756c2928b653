// Keys for who works without a mouse. All with Alt and Shift, which screen readers (NVDA, JAWS, Narrator, VoiceOver, Orca)
// leave alone, and all can be switched off (WCAG 2.1.4). None of them ends a call: that is pressed on a button.
import { keepPref, pref } from './prefs.js';

/** By place on the keyboard, which is the same letter on qwerty, azerty and qwertz. */
export const shortcutKeys = { KeyB: 'break', KeyK: 'ready', KeyG: 'details', KeyV: 'identify', KeyD: 'transfer', KeyE: 'end', KeyS: 'lock' };

export const areShortcutsOn = () => pref('shortcuts', 'on') === 'on';
export const switchShortcuts = (isOn) => keepPref('shortcuts', isOn ? 'on' : 'off');

/** @param actions what to do, by the names above */
export function startShortcuts(actions) {
  addEventListener('keydown', (event) => {
    if (!event.altKey || !event.shiftKey || event.ctrlKey || event.metaKey || event.repeat || !areShortcutsOn()) return;
    const action = shortcutKeys[event.code];
    if (!action) return;
    event.preventDefault();
    actions[action]();
  });
}
