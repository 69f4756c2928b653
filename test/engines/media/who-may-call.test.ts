/** Whose calls the media server takes, where it may be told to connect to, and how it is told whose media counts. */
import { createServer, connect, type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startMediaServer, type MediaServer } from '../../../gateway/engines/media-server/index.js';
import { RawSocket, offer, status } from '../../e2e/raw-sip.js';
import { Peers, until } from '../../peers/index.js';
import { HOST, Phone, startRig, type Rig } from './rig.js';

const house = new Peers();
const guests = new Peers();
afterEach(() => guests.stopAll());

describe('calls', () => {
  const STRANGER = '127.0.0.9';
  let server: MediaServer;
  beforeAll(async () => {
    server = await startMediaServer({ host: HOST, sipPort: 0, eslPort: 0, secret: 'x', rtpPorts: { min: 29_000, max: 29_019 }, sipFrom: [HOST], applicationHosts: [HOST] });
    house.defer(() => server.close());
  });
  afterAll(() => house.stopAll());

  /** An application that waits to be connected to, on any address. */
  async function application(): Promise<{ port: number; connections: () => number }> {
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => listener.listen(0, '0.0.0.0', resolve));
    guests.defer(() => void listener.close());
    return { port: (listener.address() as AddressInfo).port, connections: () => connections };
  }

  const invite = (from: RawSocket, headers: Record<string, string>): string =>
    from.request('INVITE', `sip:drachtio@${server.sip.host}:${server.sip.port}`, { 'User-Agent': 'drachtio-fsmrf:0d4c4a2e-0000-4000-8000-000000000000', ...headers }, offer(40_000));

  it('from elsewhere than the SIP server get no answer, and nothing is connected to for them', async () => {
    const app = await application();
    const [stranger, own] = [guests.add(await RawSocket.open(server.sip, 0, STRANGER)), guests.add(await RawSocket.open(server.sip))];
    for (const text of [invite(stranger, { 'X-esl-outbound': `${HOST}:${app.port}` }), stranger.request('OPTIONS', `sip:x@${HOST}`, {}), 'no SIP\r\n\r\n']) stranger.send(text);
    // Behind these, one that is answered.
    expect(status(await own.ask(own.request('OPTIONS', `sip:x@${HOST}`, {})))).toBe(200);
    const tcp = connect({ host: server.sip.host, port: server.sip.port, localAddress: STRANGER });
    await new Promise((resolve) => tcp.on('error', () => undefined).once('close', resolve));
    expect(stranger.heard).toEqual([]);
    expect(app.connections()).toBe(0);
    expect(server.stats()).toMatchObject({ sessions: 0, rtpPortsInUse: 0 });
  });

  it('from there are connected to the gateway’s own listener and to nothing else', async () => {
    const app = await application();
    const own = guests.add(await RawSocket.open(server.sip));
    for (const elsewhere of [STRANGER, 'localhost', '[::1]', '0.0.0.0', '127.1']) expect(status(await own.ask(invite(own, { 'X-esl-outbound': `${elsewhere}:${app.port}` })))).toBe(404);
    expect(app.connections()).toBe(0);
    expect(status(await own.ask(invite(own, { 'X-esl-outbound': `${HOST}:${app.port}` })))).toBe(200);
    await until(() => app.connections() === 1, 'the application to be connected to');
  });

  it('with a rule that cannot be read are refused, for it must not become a weaker one', async () => {
    const own = guests.add(await RawSocket.open(server.sip));
    const before = server.stats().sessionsSinceStart;
    for (const headers of <Record<string, string>[]>[{ 'X-Media-Source': 'anybody' }, { 'X-Media-Source': 'learn', 'X-Media-Networks': '0.0.0.0/0/0' }, { 'X-Media-Source': 'learn', 'X-Media-Networks': 'sbc' }, { 'X-Media-Restricted': 'true' }]) {
      expect(status(await own.ask(invite(own, { 'X-esl-outbound': `${HOST}:1`, ...headers })))).toBe(400);
    }
    expect(server.stats().sessionsSinceStart).toBe(before);
  });

  it('more addresses of the SIP server may become known', async () => {
    const other = guests.add(await RawSocket.open(server.sip, 0, '127.0.0.7'));
    server.takeSipFrom(['127.0.0.7']);
    expect(status(await other.ask(other.request('OPTIONS', `sip:x@${HOST}`, {})))).toBe(200);
  });
});

describe('the rule, as the gateway looks whether it is kept', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
    house.defer(() => rig.close());
  });
  afterAll(() => house.stopAll());

  it.each([[undefined, 'true'], ['described', 'true'], ['learn', '_undef_']])('X-Media-Source %s: disable_rtp_auto_adjust is %s', async (source, answer) => {
    const phone = await Phone.open();
    try {
      const ep = await rig.createEndpoint({ remoteSdp: phone.sdp(), ...(source !== undefined && { headers: { 'X-Media-Source': source } }) });
      expect((await ep.api('uuid_getvar', `${ep.uuid} disable_rtp_auto_adjust`)).getBody().trim()).toBe(answer);
      await ep.destroy();
    } finally {
      phone.close();
    }
  });
});
