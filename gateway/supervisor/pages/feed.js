// The way to the server: one WebSocket that tells the whole view every two seconds, and coming back when it is lost.

const firstRetryMs = 500;
const longestRetryMs = 10_000;
/** The server tells something every two seconds. */
const silentMs = 8_000;
const activeEveryMs = 60_000;

let socket = null;
let retryMs = firstRetryMs;
let timer = 0;
let heardAt = 0;
let activeSaidAt = -Infinity;

/** @param owner hears `view(view)`, `lost()`, `connecting()`, `refused(where)` */
export function follow(owner) {
  const own = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/supervisor/ws`);
  socket = own;
  heardAt = performance.now();
  let opened = false;
  const silence = setInterval(() => {
    if (performance.now() - heardAt > silentMs) gone();
  }, 1000);
  const gone = () => {
    clearInterval(silence);
    if (own !== socket) return;
    socket = null;
    own.close();
    owner.lost();
    timer = setTimeout(() => {
      owner.connecting();
      if (opened) follow(owner);
      else void followIfLoggedIn(owner);
    }, retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, longestRetryMs);
  };
  own.addEventListener('close', gone);
  own.addEventListener('message', ({ data }) => {
    if (own !== socket) return;
    heardAt = performance.now();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return gone();
    }
    switch (message.type) {
      case 'view':
        opened = true;
        retryMs = firstRetryMs;
        say('beat');
        return owner.view(message.view);
      case 'expired': return leave(owner, '/login');
      case 'locked': return leave(owner, '/unlock');
      default: return undefined;
    }
  });
}

export function unfollow() {
  clearTimeout(timer);
  const old = socket;
  socket = null;
  old?.close();
}

/** Somebody is at the keyboard: the login is not idle. */
export function sayActive() {
  if (performance.now() - activeSaidAt < activeEveryMs) return;
  activeSaidAt = performance.now();
  say('active');
}

function say(type) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type }));
}

function leave(owner, where) {
  unfollow();
  owner.refused(where);
}

/** A refused socket does not say why, so ask. */
async function followIfLoggedIn(owner) {
  try {
    const { status } = await fetch('/supervisor/session', { cache: 'no-store' });
    if (status === 401) return owner.refused('/login');
    if (status === 423) return owner.refused('/unlock');
  } catch {
    // Not reachable: trying the socket again will find out.
  }
  follow(owner);
}
