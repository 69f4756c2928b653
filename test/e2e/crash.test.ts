/** Engines that die and connections that end in the middle of calls: people first, privacy before everything. */
import dgram from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, freePorts, Peers, sleep, startCitizen, until, type SippAgent, type startSippAgent } from '../peers/index.js';
import { startMediaServer } from '../../gateway/engines/media-server/index.js';
import { startSipServer } from '../../gateway/engines/sip-server/index.js';
import { ownPromptsPath } from '../../gateway/app.js';
import { realEngines, type TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import { attributes, dialled, sceneWithSippAgent, type Scene, typeCode } from './support.js';
import { RawCall, RawSocket } from './raw-sip.js';
import { Relay } from './relay.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

// Announced here because vitest only counts what is skipped.
if (realEngines) process.stderr.write('test/e2e/crash: the engines are not ours to kill: left out.\n');

const moments = ['greeting', 'waiting', 'offered', 'revealing', 'connected'] as const;
type Moment = (typeof moments)[number];
/** At these the attributes had been handed to a screen: the session is deleted, not kept for another try. */
const shown: readonly Moment[] = ['revealing', 'connected'];

const answering = { kind: 'answer', afterMs: 100, hangupAfterMs: 600_000 } as const;

/** Options that let a call rest at the given moment. */
function stopAt(moment: Moment): { phone: Parameters<typeof startSippAgent>[0]; options: Partial<TestGatewayOptions> } {
  return { phone: { behaviour: moment === 'offered' ? { kind: 'ring' } : answering }, options: { calls: { ackTimeoutMs: 30_000, ringTimeoutMs: 60_000 }, logLevel: 'warn' } };
}

/** Brings a call to the moment. @returns its code */
async function bringTo(moment: Moment, { gateway, screen, call }: Scene): Promise<string> {
  const code = await gateway.citizen(attributes);
  if (moment === 'waiting') screen.say({ type: 'availability', value: 'break' });
  if (moment === 'revealing') screen.acknowledges = false;
  const citizen = await call({ toneHz: [] });
  if (moment === 'greeting') return code;
  await typeCode(gateway, citizen, code);
  switch (moment) {
    case 'waiting': await until(() => gateway.metric(/^gateway_waiting /), 'the call to wait', 15_000); break;
    case 'offered': await screen.told('offer', { timeoutMs: 15_000 }); break;
    case 'revealing': await screen.told('reveal', { timeoutMs: 15_000 }); break;
    case 'connected': await screen.told('connected', { timeoutMs: 15_000 });
  }
  return code;
}

/** What must be true soon after everything behind the gateway broke down. */
async function nothingStays(moment: Moment, { gateway, screen }: Scene, code: string): Promise<void> {
  await until(() => screen.shown === undefined, 'the screen to be blank', 2_000);
  await until(() => gateway.gateway.calls === 0, 'the register of calls to be empty', 20_000);
  if (shown.includes(moment)) expect((await gateway.gateway.vault.stats()).live).toBe(0);
  else {
    const again = await gateway.gateway.vault.claim(code, 'the next call');
    expect(again.ok).toBe(true);
    if (again.ok) await gateway.gateway.vault.purge(again.sessionId, 'the next call');
  }
  if (moment === 'offered' || shown.includes(moment)) await screen.told('clear');
  else expect(screen.heard.some(({ message }) => message.type === 'clear')).toBe(false);
}

/** A call by somebody else, afterwards, with the same agent. */
async function nextCall({ gateway, screen }: Scene, phone: SippAgent, ringing: boolean): Promise<void> {
  screen.acknowledges = true;
  screen.say({ type: 'availability', value: 'available' });
  await until(() => gateway.gateway.health().status === 'ready', 'the gateway to take calls again', 20_000);
  const socket = peers.add(await RawSocket.open(gateway.sip));
  const media = peers.add(await RawSocket.open(gateway.sip));
  const heardBefore = screen.heard.length;
  const name = 'Pieternel de Volgende';
  const code = await gateway.citizen({ fullname: name });
  const call = await RawCall.make(socket, media, dialled);
  await call.press(`${code}#`);
  const awaited = ringing ? 'offer' : 'connected';
  await until(() => screen.heard.slice(heardBefore).some(({ message }) => message.type === awaited), 'the next call to reach the agent', 20_000);
  if (!ringing) expect(Object.values(screen.shown?.fields ?? {})).toEqual([name]);
  expect(phone.complaints()).not.toMatch(/aborting/i);
  await call.hangup();
  await gateway.untilEmpty(15_000);
  // Somebody who hangs up while it rings may call again with the same code.
  expect((await gateway.gateway.vault.stats()).live).toBe(ringing ? 1 : 0);
}

describe.skipIf(realEngines)('the engines die', () => {
  it.each([...moments.map((moment) => [moment, 'anchored'] as const), ['connected', 'released'] as const])('while a call is %s (%s)', async (moment, bridge) => {
    const { phone: phoneOptions, options } = stopAt(moment);
    const lines: string[] = [];
    const scene = await sceneWithSippAgent(peers, phoneOptions, { ...options, bridge, logTo: { write: (line) => void lines.push(line) } });
    const code = await bringTo(moment, scene);
    const { engines } = scene.gateway.gateway;
    const before = engines!.pid!;
    process.kill(before, 'SIGKILL');
    await nothingStays(moment, scene, code);
    await until(() => engines!.pid !== undefined && engines!.pid !== before, 'new engines', 10_000);
    await nextCall(scene, scene.phone, moment === 'offered');
    expect(lines.filter((line) => /unhandled|effect failed|closing step failed/.test(line))).toEqual([]);
  }, 90_000);

  it('again and again', async () => {
    const scene = await sceneWithSippAgent(peers, { behaviour: answering });
    const { engines } = scene.gateway.gateway;
    for (let round = 0; round < 3; round++) {
      const before = await until(() => engines!.pid, 'engines', 15_000);
      process.kill(before, 'SIGKILL');
      await until(() => engines!.pid !== before, 'new engines', 15_000);
    }
    await nextCall(scene, scene.phone, false);
  }, 90_000);
});

/** A gateway whose engines run here, each behind a cable that can be cut. */
async function cabled(phoneOptions: Parameters<typeof startSippAgent>[0], options: Partial<TestGatewayOptions>) {
  const rtp = await freePorts(40);
  const mediaOptions = { host: '127.0.0.1', sipPort: await freePort(), eslPort: await freePort(), rtpPorts: { min: rtp, max: rtp + 39 }, profile: 'drachtio_mrf', soundsPath: ownPromptsPath };
  const sipServer = await startSipServer({ listen: { host: '127.0.0.1', port: await freePort() }, admin: { host: '127.0.0.1', port: 0 }, secret: 'sip secret' });
  peers.defer(() => sipServer.close());
  let mediaServer = await startMediaServer({ ...mediaOptions, secret: 'media secret' });
  peers.defer(() => mediaServer.close());
  const sipCable = peers.add(await Relay.to(sipServer.admin));
  const mediaCable = peers.add(await Relay.to(mediaServer.esl));
  const lines: string[] = [];
  const scene = await sceneWithSippAgent(peers, phoneOptions, {
    ...options,
    logTo: { write: (line) => void lines.push(line) },
    servers: {
      sip: { host: '127.0.0.1', port: sipCable.port, secret: 'sip secret' },
      media: { host: '127.0.0.1', port: mediaCable.port, secret: 'media secret', profile: 'drachtio_mrf' },
      address: sipServer.sip,
    },
  });
  /** Replaces the media server by one with another password, on the same ports. */
  const restartMedia = async (secret: string) => {
    await mediaServer.close();
    mediaServer = await startMediaServer({ ...mediaOptions, secret });
  };
  /** The media server hangs: connections stay, packets arrive, nothing is said. @returns ends that */
  const hangMedia = async () => {
    mediaCable.silence();
    await mediaServer.close();
    const blackHole = dgram.createSocket('udp4');
    await new Promise<void>((resolve) => blackHole.bind(mediaOptions.sipPort, '127.0.0.1', resolve));
    return async () => {
      await new Promise<void>((resolve) => blackHole.close(() => resolve()));
      mediaServer = await startMediaServer({ ...mediaOptions, secret: 'media secret' });
      mediaCable.mend();
    };
  };
  const left = () => ({ dialogs: sipServer.stats().dialogs, sessions: mediaServer.stats().sessions, ports: mediaServer.stats().rtpPortsInUse });
  return { ...scene, sipCable, mediaCable, restartMedia, hangMedia, left, lines };
}

/** What a caller gets at the moment. */
async function refusal(gateway: TestGateway): Promise<{ status: number; text: string }> {
  const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled }));
  const status = await citizen.status(15_000);
  return { status, text: (await citizen.saw(new RegExp(`^SIP/2.0 ${status}`))).text };
}

describe.skipIf(realEngines)('the media server is out of reach', () => {
  it.each(['waiting', 'revealing', 'connected'] as const)('while a call is %s', async (moment) => {
    const { phone: phoneOptions, options } = stopAt(moment);
    const scene = await cabled(phoneOptions, options);
    const code = await bringTo(moment, scene);
    scene.mediaCable.cut();
    await nothingStays(moment, scene, code);
    const { status, text } = await refusal(scene.gateway);
    expect(status).toBe(503);
    expect(text).toMatch(/^Retry-After: \d+/m);
    expect(scene.gateway.gateway.health()).toMatchObject({ status: 'degraded', sip: true, media: false });
    scene.mediaCable.mend();
    await nextCall(scene, scene.phone, false);
    // The media server was told by SIP, which still worked, that the calls are over.
    await until(() => Object.values(scene.left()).every((count) => count === 0), `nothing to be left: ${JSON.stringify(scene.left())}`, 10_000);
  }, 90_000);

  it('and refuses the password when it is back', async () => {
    const scene = await cabled({ behaviour: answering }, {});
    await scene.restartMedia('another secret');
    await until(() => scene.gateway.gateway.health().status === 'degraded', 'the loss to be noticed');
    await until(() => scene.lines.some((line) => line.includes('the server refuses the password')), 'the log to say why', 20_000);
    expect((await refusal(scene.gateway)).status).toBe(503);
    expect(scene.lines.some((line) => line.includes('media secret'))).toBe(false);
    await scene.restartMedia('media secret');
    await nextCall(scene, scene.phone, false);
  }, 90_000);

  it('and says nothing: a caller is not left ringing', async () => {
    const scene = await cabled({ behaviour: answering }, {});
    const wakeUp = await scene.hangMedia();
    const askedAt = performance.now();
    const { status, text } = await refusal(scene.gateway);
    expect(status).toBe(503);
    expect(text).toMatch(/^Retry-After: \d+/m);
    expect(performance.now() - askedAt).toBeLessThan(14_000);
    await until(() => scene.gateway.gateway.health().status === 'degraded', 'the silence to be noticed', 10_000);
    // From here on callers are not kept waiting for it.
    expect((await refusal(scene.gateway)).status).toBe(503);
    await wakeUp();
    await nextCall(scene, scene.phone, false);
    // The media client library gives the endpoint up on its own some seconds later.
    await sleep(4_000);
  }, 90_000);
});

describe.skipIf(realEngines)('the SIP server is out of reach', () => {
  it.each(['waiting', 'revealing', 'connected'] as const)('while a call is %s', async (moment) => {
    const { phone: phoneOptions, options } = stopAt(moment);
    const scene = await cabled(phoneOptions, options);
    const code = await bringTo(moment, scene);
    scene.sipCable.cut();
    await nothingStays(moment, scene, code);
    const { status } = await refusal(scene.gateway);
    expect(status).toBeGreaterThanOrEqual(480);
    expect(scene.gateway.gateway.health()).toMatchObject({ status: 'degraded', sip: false });
    scene.sipCable.mend();
    await nextCall(scene, scene.phone, false);
    // The media server's side was ended over its own connection.
    await until(() => scene.left().sessions === 0 && scene.left().ports === 0, `nothing to be left: ${JSON.stringify(scene.left())}`, 10_000);
  }, 90_000);

  it('for a moment: nobody notices who did not call just then', async () => {
    const scene = await cabled({ behaviour: answering }, {});
    scene.sipCable.cut();
    scene.sipCable.mend();
    await sleep(100);
    await nextCall(scene, scene.phone, false);
  }, 60_000);
});

