import { afterEach, describe, expect, it } from 'vitest';
import { Peers, freePort, msOfTone, sleep, startBaresip, startBrowser, startCitizen, startRedis, startSippAgent, tone, until } from './index.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

describe('tones', () => {
  it('finds a tone, and only that tone, in noise-free samples', () => {
    const samples = tone([600], 400);
    expect(msOfTone(samples, 600)).toBe(400);
    expect(msOfTone(samples, 700)).toBe(0);
  });

  it('finds each of two tones together', () => {
    const samples = tone([440, 1_000], 400);
    expect(msOfTone(samples, 440)).toBe(400);
    expect(msOfTone(samples, 1_000)).toBe(400);
    expect(msOfTone(samples, 1_300)).toBe(0);
  });
});

describe('sipp calls baresip', () => {
  it('hears the agent, is heard, presses keys and hangs up on command', async () => {
    const agent = peers.add(await startBaresip({ toneHz: [900] }));
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent', toneHz: [600] }));
    await citizen.answered();
    await agent.saw('CALL_ESTABLISHED');
    await until(() => msOfTone(agent.heard().samples, 600) > 400, 'the citizen to be heard');
    await until(() => msOfTone(citizen.tap.pcm(), 900) > 400, 'the agent to be heard');
    expect(msOfTone(agent.heard().samples, 900)).toBe(0);
    expect(citizen.tap.sources()).toHaveLength(1);
    await citizen.hangup();
    await agent.saw('CALL_CLOSED');
    expect(await citizen.exited).toBe(0);
  });

  it('is hung up by the agent', async () => {
    const agent = peers.add(await startBaresip());
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent' }));
    await citizen.answered();
    await agent.saw('CALL_ESTABLISHED');
    await agent.command('hangup');
    await citizen.saw(/^BYE /, { direction: 'received' });
    expect(await citizen.exited).toBe(0);
  });

  it('answers the agent\'s hold and resume', async () => {
    const agent = peers.add(await startBaresip());
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent', toneHz: [600] }));
    await citizen.answered();
    await agent.saw('CALL_ESTABLISHED');
    await agent.command('hold');
    const hold = await citizen.saw(/^INVITE /, { direction: 'received' });
    expect(hold.text).toContain('a=sendonly');
    const held = await citizen.saw(/^SIP\/2.0 200/, { direction: 'sent' });
    expect(held.text).toContain('a=recvonly');
    await citizen.saw(/^ACK /, { direction: 'received' });
    await agent.command('resume');
    await citizen.saw(/^INVITE /, { direction: 'received', count: 2 });
    const resumed = await citizen.saw(/^SIP\/2.0 200/, { direction: 'sent', count: 2 });
    expect(resumed.text).toContain('a=sendrecv');
    await citizen.hangup();
    expect(await citizen.exited).toBe(0);
  });
});

describe('sipp calls sipp', () => {
  it('presses keys by script and by command, as RFC 4733 events', async () => {
    const agent = peers.add(await startSippAgent({ toneHz: [900] }));
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent', keys: { keys: '12', afterMs: 200 } }));
    await citizen.answered();
    await until(() => agent.tap.keys(96) === '12', 'the scripted keys');
    await citizen.press('34#');
    await until(() => agent.tap.keys(96) === '1234#', 'the commanded keys');
    await until(() => msOfTone(citizen.tap.pcm(), 900) > 200, 'the agent to be heard');
    await agent.hangup();
    expect(await citizen.exited).toBe(0);
  });

  it('offers late when told to', async () => {
    const agent = peers.add(await startSippAgent());
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent', lateOffer: true, hangupAfterMs: 300 }));
    const invite = await agent.saw(/^INVITE /);
    expect(invite.text).not.toContain('m=audio');
    expect((await agent.saw(/^ACK /)).text).toContain('m=audio');
    expect(await citizen.exited).toBe(0);
  });

  it('speaks TCP', async () => {
    const agent = peers.add(await startSippAgent({ transport: 'tcp' }));
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent', transport: 'tcp', hangupAfterMs: 300 }));
    expect(await citizen.status()).toBe(200);
    expect(await citizen.exited).toBe(0);
  });

  it('cancels while the agent\'s phone rings for ever', async () => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'ring' } }));
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent' }));
    await citizen.saw(/^SIP\/2.0 180/);
    await citizen.cancel();
    expect(await citizen.status()).toBe(487);
    expect(await citizen.exited).toBe(0);
    await agent.saw(/^ACK /);
  });

  it('cancels by itself after a while', async () => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'ring' } }));
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent', cancelAfterMs: 200 }));
    expect(await citizen.status()).toBe(487);
    expect(await citizen.exited).toBe(0);
  });

  it.each([486, 503])('is refused with %i', async (status) => {
    const agent = peers.add(await startSippAgent({ behaviour: { kind: 'reject', status, reason: 'No', afterMs: 50 } }));
    const citizen = peers.add(await startCitizen({ to: agent.sip, user: 'agent' }));
    expect(await citizen.status()).toBe(status);
    expect(await citizen.exited).toBe(0);
    await agent.saw(/^ACK /);
  });
});

describe('other peers', () => {
  it('starts and stops a Redis', async () => {
    const redis = peers.add(await startRedis());
    expect(redis.running).toBe(true);
    await redis.stop();
    expect(redis.running).toBe(false);
  });

  it('opens a page in Chromium', async () => {
    const browser = peers.add(await startBrowser());
    const page = await browser.newPage();
    await page.setContent('<h1>Hello</h1>');
    expect(await page.textContent('h1')).toBe('Hello');
  }, 30_000);

  it('says so when a program is missing, and gives ports nobody has', async () => {
    const { startPeer, scratchFolder } = await import('./process.js');
    await expect(startPeer('no-such-program-here', [], scratchFolder('none'))).rejects.toThrow('cannot start');
    expect(new Set(await Promise.all([freePort(), freePort(), freePort()])).size).toBe(3);
    await sleep(1);
  });
});
