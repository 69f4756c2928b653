// The way to the server: one WebSocket, a heartbeat on our own clock, and coming back when it is lost.
//
// The owner of the page hears four things: `heard(message)`, `connecting()`, `lost(isFlood)` when there is no connection any
// more (whatever was shown must go), `refused(where)` when the agent has to log in, or unlock, at another page first.

/** First pause before connecting again, and the longest, in ms. */
const firstRetryMs = 500;
const longestRetryMs = 5000;
/** The server's close code for a page that says more than it takes; see gateway/screen/messages.ts. */
const tooManyMessages = 4429;
/** First pause after that, and the longest: whatever made this page talk so much may still be there. In ms. */
const firstFloodPauseMs = 5000;
const longestFloodPauseMs = 45_000;
/** A page that kept quiet for so long starts with the first pause again. */
const calmMs = 120_000;

let socket = null;
let retryMs = firstRetryMs;
let floodPauseMs = firstFloodPauseMs;
let floodedAt = -Infinity;
let retryTimer = 0;
let heardAt = 0;
let silenceMs = 9000;
let watch = 0;
let owner = null;

export function startSocket(given) {
  owner = given;
}

export function connect() {
  clearTimeout(retryTimer);
  const own = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/screen/ws`);
  socket = own;
  let opened = false;
  own.addEventListener('message', (event) => {
    // A message of a connection that was given up is late, whatever it says.
    if (own !== socket) return;
    opened = true;
    heardAt = performance.now();
    let message;
    try {
      message = JSON.parse(event.data);
    } catch {
      return drop();
    }
    if (message.type === 'beat') return say({ type: 'beat' });
    if (message.type === 'hello') {
      retryMs = firstRetryMs;
      silenceMs = message.beatTimeoutMs;
    }
    owner.heard(message);
  });
  own.addEventListener('close', (event) => {
    if (own !== socket) return;
    socket = null;
    lost(!opened, event.code === tooManyMessages);
  });
  heardAt = performance.now();
  clearInterval(watch);
  watch = setInterval(checkHeard, 1000);
}

export function say(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** A network can die without closing anything: silence counts as loss. */
export function checkHeard() {
  if (socket && performance.now() - heardAt > silenceMs) drop();
}

/** Gives the connection up without coming back by itself. */
export function disconnect() {
  clearTimeout(retryTimer);
  clearInterval(watch);
  const old = socket;
  socket = null;
  old?.close();
}

function drop() {
  const old = socket;
  socket = null;
  old?.close();
  lost(false);
}

function lost(isRefused, isFlood = false) {
  clearInterval(watch);
  if (!owner.lost(isFlood)) return;
  const pauseMs = isFlood ? nextFloodPauseMs() : retryMs;
  retryTimer = setTimeout(() => {
    owner.connecting();
    if (isRefused) void connectIfLoggedIn();
    else connect();
  }, pauseMs * (0.75 + Math.random() / 2));
  if (!isFlood) retryMs = Math.min(retryMs * 2, longestRetryMs);
}

function nextFloodPauseMs() {
  const now = performance.now();
  floodPauseMs = now - floodedAt > calmMs ? firstFloodPauseMs : Math.min(floodPauseMs * 2, longestFloodPauseMs);
  floodedAt = now;
  return floodPauseMs;
}

/** A refused socket does not say why, so ask. */
async function connectIfLoggedIn() {
  try {
    const answer = await fetch('/screen/session', { cache: 'no-store' });
    if (answer.status === 401) return owner.refused('/login');
    if (answer.status === 423) return owner.refused('/unlock');
  } catch {
    // Not reachable: trying the socket again will find out.
  }
  connect();
}
