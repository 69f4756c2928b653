// A small desktop that pops by itself: hears of calls over the WebSocket, and comes back after a lost connection without
// missing or repeating anything. Needs the package ws (npm install ws).
//
//   CTI_TOKEN=... node cti-client.mjs ws://127.0.0.1:8082/cti/ws
//
// CTI_IDENTITY=yes also asks for the attributes that the configuration allows (cti.subscribers.identity) when a call is
// connected and shown. What you do with them is yours to answer for: this example prints their names alone.
import WebSocket from 'ws';

const [address] = process.argv.slice(2);
const token = process.env.CTI_TOKEN;
if (!address || !token) {
  console.error('CTI_TOKEN=<token> node cti-client.mjs ws://<agents listener>/cti/ws');
  process.exit(64);
}

/** Id of the last event that was dealt with. A real desktop keeps it where it survives a restart. */
let last;
let waitMs = 500;

function connect() {
  const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}` } });
  let silence;
  // Two heartbeats that do not come: the connection is dead, whatever the operating system thinks.
  const heard = (seconds) => {
    clearTimeout(silence);
    silence = setTimeout(() => socket.terminate(), seconds * 2_000);
  };
  let heartbeatSeconds = 20;
  socket.on('open', () => socket.send(JSON.stringify({ type: 'cti.hello', ...(last && { after: last }) })));
  socket.on('message', (data) => {
    const message = JSON.parse(data);
    switch (message.type) {
      case 'cti.welcome':
        heartbeatSeconds = message.heartbeatSeconds;
        waitMs = 500;
        console.log(`connected as ${message.subscriber} of ${message.tenant}`);
        break;
      case 'cti.heartbeat': break;
      case 'cti.gap':
        console.log(`gap after ${message.after}`);
        break;
      default:
        last = message.id;
        pop(message);
    }
    heard(heartbeatSeconds);
  });
  socket.on('error', (error) => console.error(error.message));
  socket.on('close', (code) => {
    clearTimeout(silence);
    // 4401, 4403: trying again will not help.
    if (code === 4401 || code === 4403) process.exit(1);
    setTimeout(connect, waitMs);
    waitMs = Math.min(30_000, waitMs * 2);
  });
}

function pop({ id, type, data }) {
  console.log([id, type, data.callId, data.agent, data.service, data.identity].map((part) => part ?? '-').join(' '));
  if (process.env.CTI_IDENTITY === 'yes' && (type === 'call.connected' || type === 'call.shown')) void askWho(data.callId);
}

async function askWho(callId) {
  const url = new URL(`/cti/calls/${encodeURIComponent(callId)}/identity`, address.replace(/^ws/, 'http'));
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  console.log(`identity ${callId} ${answer.status} ${answer.ok ? Object.keys((await answer.json()).attributes).join(',') : '-'}`);
}

connect();
