// The login page, or the lock, in a frame of another site: signing in at the provider is done in a tab, and this page
// goes on by itself when it is done there. Without this script the tab shows the screen itself.
const place = document.getElementById('by-tab');
const { path, next, fresh, waiting, blocked, late } = place.dataset;
const status = document.getElementById('by-tab-status');
const note = document.getElementById('by-tab-note');
/** How often to ask whether it is done, and how long. The provider's page may take as long as somebody needs there. */
const lookEveryMs = 1500;
const patienceMs = 15 * 60_000;

let tab = null;
let ticket = null;
let looking = 0;
let begunAt = 0;
let isLooking = false;

place.querySelector('a').addEventListener('click', (event) => {
  event.preventDefault();
  stop();
  tab = open(`${path}/login/tab${fresh ? '?fresh=1' : ''}`, '_blank');
  if (!tab) return say(blocked);
  say(waiting);
  ticket = fetch(`${path}/login/frame`, { method: 'POST' }).then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error('refused'))));
  // Waited for where the tab asks for it.
  ticket.catch(() => undefined);
  begunAt = performance.now();
  looking = setInterval(look, lookEveryMs);
  return undefined;
});

// The tab says that it is there. Only a page of ours, and only in the window that was opened here, is told the ticket.
addEventListener('message', async (event) => {
  if (event.origin !== location.origin || event.source !== tab || event.data?.type !== 'ready') return;
  const asked = tab;
  try {
    asked.postMessage({ type: 'ticket', ticket: (await ticket).ticket }, location.origin);
  } catch {
    stop();
    say(late);
  }
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && looking) void look();
});

async function look() {
  if (isLooking) return;
  if (performance.now() - begunAt > patienceMs) {
    stop();
    say(late);
    return;
  }
  isLooking = true;
  try {
    const answer = await fetch(`${path}/login/frame/arrived`, { method: 'POST', headers: { accept: 'application/json' } });
    // 204: not yet. 400: the ticket is on its way, or is too old by now.
    if (answer.status === 200) {
      stop();
      location.replace(next || (await answer.json()).to);
    } else if (answer.status === 403) {
      stop();
      say((await answer.json()).message);
    }
  } catch {
    // No network now: asked again.
  } finally {
    isLooking = false;
  }
}

function stop() {
  clearInterval(looking);
  looking = 0;
}

function say(text) {
  // While it waits it says so in other words.
  note.hidden = text === waiting;
  status.textContent = text;
}
