// Takes the gateway's webhooks: checks the signature, the moment and the id, and answers at once. No packages needed.
//
//   WEBHOOK_SECRETS="whsec_... whsec_..." node webhook-receiver.mjs 9000
//
// Libraries for other languages: https://github.com/standard-webhooks/standard-webhooks
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const secrets = (process.env.WEBHOOK_SECRETS ?? '').split(' ').filter(Boolean).map((text) => Buffer.from(text.replace(/^whsec_/, ''), 'base64'));
const port = Number(process.argv[2] ?? 9000);
if (secrets.length === 0) {
  console.error('WEBHOOK_SECRETS="<secret> ..." node webhook-receiver.mjs <port>');
  process.exit(64);
}

const toleranceSeconds = 300;
const maxBodyBytes = 65_536;
/** Ids that were seen, with the moment until which a repetition would still be believed. */
const seen = new Map();

/** @returns why the request is not believed, or undefined */
function problemWith(headers, body) {
  const id = headers['webhook-id'];
  const at = Number(headers['webhook-timestamp']);
  const now = Date.now() / 1000;
  if (!id || !Number.isInteger(at)) return 'headers missing';
  if (Math.abs(now - at) > toleranceSeconds) return 'too old, or from the future';
  const given = String(headers['webhook-signature'] ?? '').split(' ').filter((part) => part.startsWith('v1,')).map((part) => Buffer.from(part.slice(3), 'base64'));
  const right = secrets.map((secret) => createHmac('sha256', secret).update(`${id}.${at}.`).update(body).digest());
  if (!given.some((signature) => right.some((one) => one.length === signature.length && timingSafeEqual(one, signature)))) return 'signature not right';
  return undefined;
}

/** True when this event was dealt with before: the gateway could not know, or somebody plays it again. */
function seenBefore(id) {
  const now = Date.now() / 1000;
  for (const [old, until] of seen) if (until < now) seen.delete(old);
  if (seen.has(id)) return true;
  // A try of this event may be stamped later than this one, so it is remembered for longer than one is believed.
  seen.set(id, now + 2 * 3_600);
  return false;
}

const server = createServer((request, response) => {
  const chunks = [];
  let size = 0;
  request.on('data', (chunk) => {
    size += chunk.length;
    if (size > maxBodyBytes) request.destroy();
    else chunks.push(chunk);
  });
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const problem = problemWith(request.headers, body);
    const id = request.headers['webhook-id'];
    if (problem) {
      console.log(`refused ${id ?? '-'} ${problem}`);
      response.writeHead(401).end();
    } else if (seenBefore(id)) {
      console.log(`repeated ${id}`);
      // It is here already: another try would change nothing.
      response.writeHead(204).end();
    } else {
      const { type, data } = JSON.parse(body);
      console.log(`event ${id} ${type} ${data.callId ?? '-'} ${data.agent ?? '-'}`);
      response.writeHead(204).end();
    }
  });
});
server.listen(port, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
