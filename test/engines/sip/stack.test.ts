import { afterEach, describe, expect, it } from 'vitest';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { until } from '../../peers/wait.js';
import { SipMessage, SipStack, type ServerTransaction } from '../../../gateway/engines/sip-stack/index.js';

const FAST = { t1Ms: 20, t2Ms: 160, t4Ms: 200 };
const opened: SipStack[] = [];
const open = async (): Promise<SipStack> => {
  const stack = await SipStack.open({ host: '127.0.0.1', port: 0, timers: FAST });
  opened.push(stack);
  return stack;
};
afterEach(async () => {
  await Promise.all(opened.splice(0).map((stack) => stack.close()));
});

let serial = 0;
const make = (method: string, to: SipStack, from: SipStack, extra: Record<string, string> = {}, transport = 'udp'): SipMessage => {
  serial += 1;
  return SipMessage.request(method, `sip:bob@127.0.0.1:${to.port};transport=${transport}`, {
    'Max-Forwards': '70', From: `<sip:alice@127.0.0.1:${from.port}>;tag=f${serial}`, To: '<sip:bob@127.0.0.1>', 'Call-ID': `c${serial}`, CSeq: `1 ${method}`,
    Contact: `<sip:alice@127.0.0.1:${from.port}>`, ...extra,
  });
};
const final = (stack: SipStack, message: SipMessage, provisional: number[] = []): Promise<{ response: SipMessage; local: string | undefined }> =>
  new Promise((resolve) => {
    stack.request(message, { onProvisional: (r) => void provisional.push(r.status!), onFinal: (response, info) => resolve({ response, local: info.local }) });
  });
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe.each(['udp', 'tcp'] as const)('transactions over %s', (transport) => {
  it('carries a request and its answer', async () => {
    const [alice, bob] = [await open(), await open()];
    bob.on('request', (tx) => tx.respond(200, { headers: { 'X-Seen': tx.source.protocol }, body: 'hello', contentType: 'text/plain' }));
    const { response } = await final(alice, make('OPTIONS', bob, alice, {}, transport));
    expect(response.status).toBe(200);
    expect(response.get('x-seen')).toBe(transport);
    expect(response.body.toString()).toBe('hello');
    expect(response.toTag).not.toBe('');
  });

  it('carries an INVITE with 100, 180, 200, ACK', async () => {
    const [alice, bob] = [await open(), await open()];
    const acks: boolean[] = [];
    bob.on('request', (tx) => {
      tx.onAck = (_ack, _source, first) => acks.push(first);
      tx.respond(180);
      setTimeout(() => tx.respond(200, { headers: { Contact: `<sip:bob@127.0.0.1:${bob.port};transport=${transport}>` }, body: 'v=0\r\n' }), 30);
    });
    const provisional: number[] = [];
    const invite = make('INVITE', bob, alice, {}, transport);
    await new Promise<void>((resolve) => {
      const sent = alice.request(invite, {
        onProvisional: (r) => provisional.push(r.status!),
        onFinal: (ok) => {
          // Late on purpose: the 200 has to be repeated meanwhile.
          setTimeout(() => {
            const ack = SipMessage.request('ACK', `sip:bob@127.0.0.1:${bob.port};transport=${transport}`, {
              'Max-Forwards': '70', From: invite.get('from'), To: ok.get('to'), 'Call-ID': invite.callId, CSeq: '1 ACK',
            });
            alice.sendAck(sent, ack);
            resolve();
          }, 70);
        },
      });
    });
    await until(() => acks.length > 0, 'the ACK');
    // A machine that is slow beside these timers sends the INVITE again, and hears the same again.
    expect([...new Set(provisional)]).toEqual([100, 180]);
    expect(acks[0]).toBe(true);
    expect(acks.slice(1).every((first) => !first)).toBe(true);
  });

  it('cancels', async () => {
    const [alice, bob] = [await open(), await open()];
    let cancelled: string | undefined;
    bob.on('request', (tx) => {
      tx.onCancel = (cancel) => (cancelled = cancel.get('reason'));
    });
    const status = await new Promise<number>((resolve) => {
      const sent = alice.request(make('INVITE', bob, alice, {}, transport), { onFinal: (r) => resolve(r.status!) });
      // Before any answer: has to wait for the 100.
      expect(sent.cancel({ Reason: 'SIP;cause=200' })).toBe(true);
    });
    expect(status).toBe(487);
    expect(cancelled).toBe('SIP;cause=200');
    await sleep(300);
    if (transport === 'tcp') expect(bob.stats().serverTransactions).toBe(0);
  });
});

it('resends requests, absorbs the copies, and gives up with 408', async () => {
  const alice = await open();
  const deaf = createSocket('udp4').bind(0, '127.0.0.1');
  await once(deaf, 'listening');
  let copies = 0;
  deaf.on('message', (bytes) => { if (bytes.length > 4) copies += 1; });
  const message = SipMessage.request('OPTIONS', `sip:127.0.0.1:${deaf.address().port}`, { 'Max-Forwards': '70', From: '<sip:a@b>;tag=1', To: '<sip:c@d>', 'Call-ID': 'x', CSeq: '1 OPTIONS' });
  const started = Date.now();
  const { response, local } = await final(alice, message);
  deaf.close();
  expect(response.status).toBe(408);
  expect(local).toBe('timeout');
  expect(Date.now() - started).toBeGreaterThan(64 * FAST.t1Ms - 50);
  expect(copies).toBeGreaterThan(5);
  expect(alice.stats().clientTransactions).toBe(0);
});

it('says 503 when nobody listens, by UDP, by TCP, or by name', async () => {
  const alice = await open();
  const free = await open();
  const { port } = free;
  await free.close();
  const ask = (uri: string): Promise<{ response: SipMessage; local: string | undefined }> =>
    final(alice, SipMessage.request('OPTIONS', uri, { 'Max-Forwards': '70', From: '<sip:a@b>;tag=1', To: '<sip:c@d>', 'Call-ID': 'x', CSeq: '1 OPTIONS' }));
  for (const [uri, cause] of [[`sip:127.0.0.1:${port}`, 'transport'], [`sip:127.0.0.1:${port};transport=tcp`, 'transport'], ['sip:no-such-host.invalid', 'unresolvable']] as const) {
    const { response, local } = await ask(uri);
    expect([response.status, local]).toEqual([503, cause]);
  }
});

it('ends an INVITE server transaction whose 200 is never acknowledged', async () => {
  const [alice, bob] = [await open(), await open()];
  let expired = 0;
  const seen: ServerTransaction[] = [];
  bob.on('request', (tx) => {
    seen.push(tx);
    tx.onAckTimeout = (status) => (expired = status);
    tx.respond(200);
  });
  let copies = 0;
  alice.request(make('INVITE', bob, alice), { onFinal: () => (copies += 1) });
  await sleep(64 * FAST.t1Ms + 300);
  expect(expired).toBe(200);
  expect(copies).toBe(1);
  expect(bob.stats().serverTransactions).toBe(0);
});

describe('a request as RFC 4475 writes it', () => {
  const raw = async (text: string): Promise<string> => {
    const server = await open();
    server.on('request', (tx) => tx.respond(tx.method === 'OPTIONS' ? 200 : 501));
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const answered = once(socket, 'message');
    socket.send(Buffer.from(text.replaceAll('PORT', String(socket.address().port)).replaceAll('\n', '\r\n')), server.port, '127.0.0.1');
    const [answer] = (await answered) as [Buffer];
    socket.close();
    return answer.toString().split('\r\n', 1)[0]!;
  };
  const options = (change: Record<string, string> = {}, line = 'OPTIONS sip:user@example.com SIP/2.0'): string =>
    `${line}\n${Object.entries({ Via: 'SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bKtorture;rport', 'Max-Forwards': '70', From: '<sip:a@example.com>;tag=1', To: '<sip:user@example.com>', 'Call-ID': 'torture', CSeq: '8 OPTIONS', ...change }).map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n`;

  it.each([
    ['Max-Forwards with zeros in front', options({ 'Max-Forwards': '0068' }), 200],
    ['Max-Forwards of more than a byte', options({ 'Max-Forwards': '300' }), 400],
    ['CSeq with zeros in front, folded', options({ CSeq: '0009\n  OPTIONS' }), 200],
    ['a quoted name with characters that are escaped, NUL among them', options({ To: '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:user@example.com>' }), 200],
    ['NUL that is not escaped', options({ To: '"NUL:\x00" <sip:user@example.com>' }), 400],
    ['a method of every character that one may have', options({ CSeq: "8 !interesting-Method0123456789_*+`.%indeed'~" }, "!interesting-Method0123456789_*+`.%indeed'~ sip:user@example.com SIP/2.0"), 501],
    ['a method that looks like another one when it is unescaped', options({ CSeq: '8 OPTION%53' }, 'OPTION%53 sip:user@example.com SIP/2.0'), 501],
    ['a method in CSeq that is not that of the request', options({ CSeq: '8 INVITE' }), 400],
    ['another version of SIP', options({}, 'OPTIONS sip:user@example.com SIP/7.0'), 505],
  ])('%s', async (_what, text, status) => {
    expect(await raw(text)).toMatch(new RegExp(`^SIP/2.0 ${status} `));
  });
});
