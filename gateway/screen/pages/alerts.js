// Drawing attention to a call that rings: a notification of the desktop, and a soft sound. Neither holds anything of the
// caller, and both end when the ringing does.
import { keepPref, pref } from './prefs.js';
import { words } from './words.js';

const ringEveryMs = 3000;

let notification = null;
let ringing = null; // callId
let ring = 0;
let audio = null;

/** Notifications are for the page of its own window: browsers do not let a page in a frame of another site ask for them. */
export const canNotify = () => 'Notification' in window && window.isSecureContext && window.top === window.self;
/** off | denied | on */
export function notifyState() {
  if (!canNotify() || Notification.permission === 'denied') return 'denied';
  return Notification.permission === 'granted' && pref('notify', 'off') === 'on' ? 'on' : 'off';
}

/** Only after a press of the agent: browsers ask for it, and rightly so. */
export async function allowNotifications(isWanted) {
  if (!isWanted) return keepPref('notify', 'off');
  const permission = await Notification.requestPermission();
  keepPref('notify', permission === 'granted' ? 'on' : 'off');
}

export const isSoundOn = () => pref('sound', 'off') === 'on';

export function switchSound(isOn) {
  keepPref('sound', isOn ? 'on' : 'off');
  if (isOn) {
    // So that the agent knows what to expect, and the browser that it was asked for.
    chime();
  }
}

/** @param call the call that rings now, or null */
export function alertTo(call, language) {
  const callId = call?.callId ?? null;
  if (callId === ringing) return;
  stop();
  if (!call) return;
  ringing = callId;
  if (notifyState() === 'on' && !(document.visibilityState === 'visible' && document.hasFocus())) {
    const w = words[language];
    notification = new Notification(w.notifyTitle, { body: `${call.service} · ${w.languages[call.language]}`, lang: language, tag: 'call', icon: '/screen/assets/icon.svg' });
    notification.onclick = () => {
      window.focus();
      notification?.close();
    };
  }
  if (isSoundOn()) {
    chime();
    ring = setInterval(chime, ringEveryMs);
  }
}

function stop() {
  ringing = null;
  clearInterval(ring);
  notification?.close();
  notification = null;
}

/** Two soft notes; quieter than a telephone, which rings as well. */
function chime() {
  try {
    audio ??= new AudioContext();
    void audio.resume();
    for (const [frequency, after] of [[659, 0], [523, 0.22]]) {
      const note = audio.createOscillator();
      const volume = audio.createGain();
      const start = audio.currentTime + after;
      note.frequency.value = frequency;
      volume.gain.setValueAtTime(0, start);
      volume.gain.linearRampToValueAtTime(0.12, start + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.5);
      note.connect(volume).connect(audio.destination);
      note.start(start);
      note.stop(start + 0.5);
    }
  } catch {
    // A computer without sound: the screen and the telephone will do.
  }
}
