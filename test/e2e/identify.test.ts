/**
 * Authentication during the call: the agent or the voice invites a caller, who logs in with a browser while on the line.
 * Nothing of that identity may reach a screen before the agent has heard the word on the caller's page.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Phone, type PhoneCall } from '../../gateway/phone/index.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';
import type { ServerMessage } from '../../gateway/screen/messages.js';
import { Peers, startBaresip, startCitizen, until } from '../peers/index.js';
import { TestCore } from '../support/test-core.js';
import { TestGateway } from '../support/gateway.js';
import { agentHz, attributes, dialled } from './support.js';

const stage = new Peers();
const peers = new Peers();
let core: TestCore;
let gateway: TestGateway;
let citizens: Phone;
let screen: ScreenClient;

/** Who logs in during the call; somebody else than whoever may have logged in before. */
const login = { fullname: 'Pieter Tweede-Testpersoon', city: 'Zutphen-West', bsn: '999990020' };
const nothingOf = (secrets: Record<string, string>): unknown => expect.not.stringMatching(new RegExp(Object.values(secrets).join('|')));

beforeAll(async () => {
  core = stage.add(await TestCore.start());
  const phone = stage.add(await startBaresip({ toneHz: [agentHz] }));
  gateway = stage.add(await TestGateway.start({ agents: [{ name: 'anna', phone: phone.uri }], core, calls: { ackTimeoutMs: 10_000 } }));
  citizens = await Phone.open();
  stage.defer(() => citizens.close());
});
afterAll(() => stage.stopAll());

beforeEach(async () => {
  core.outcome = login;
  screen = peers.add(await gateway.screen('anna'));
});
afterEach(async () => {
  await peers.stopAll();
  await gateway.untilEmpty(15_000);
  expect(await gateway.gateway.vault.stats()).toEqual({ live: 0, claimed: 0 });
});

/** A call that hangs up at the end of the test, whatever the outcome. */
function dial(code: string, from = '0612345678'): PhoneCall {
  const call = citizens.call({ to: `sip:${dialled}@${gateway.sip.host}:${gateway.sip.port}`, code, codeAfterMs: 100, dtmf: 'info', from });
  peers.defer(() => call.hangup('the test is over'));
  return call;
}

/** A caller without a code who speaks with the agent. */
async function talking(): Promise<{ call: PhoneCall; callId: string }> {
  const call = dial('0');
  const { callId } = await screen.told('connected', { timeoutMs: 20_000 });
  return { call, callId };
}

/** A browser without JavaScript: shows pages, sends forms, follows redirects. */
class Browser {
  url = '';
  status = 0;
  page = '';

  async open(url: string): Promise<this> {
    return this.take(await fetch(url, { headers: { 'accept-language': 'nl' } }));
  }

  /** Sends the form on the page. */
  async submit(fields: Record<string, string>, redirect: 'follow' | 'manual' = 'follow'): Promise<this> {
    const action = /<form method="post" action="([^"]+)"/.exec(this.page)?.[1];
    if (action === undefined) throw new Error(`there is no form at ${new URL(this.url).pathname}`);
    const hidden = [...this.page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]): [string, string] => [name!, value!]);
    return this.take(await fetch(new URL(action, this.url), { method: 'POST', redirect, body: new URLSearchParams([...hidden, ...Object.entries(fields)]) }));
  }

  get title(): string | undefined {
    return /<h1[^>]*>([^<]*)/.exec(this.page)?.[1];
  }

  /** The word that this page shows. */
  get word(): string | undefined {
    return /<p class="word"[^>]*>([^<]+)/.exec(this.page)?.[1];
  }

  step(name: string): string | undefined {
    return new RegExp(`data-name="${name}" data-state="([a-z]+)"`).exec(this.page)?.[1];
  }

  get receiptMs(): number | undefined {
    const ms = /id="receipt"[^>]*><p[^>]*>[^<]*?([\d.]+) milli/.exec(this.page)?.[1];
    return ms === undefined ? undefined : Number(ms.replaceAll('.', ''));
  }

  /** Asks for the page again until it is as wanted. */
  async until(what: string, wanted: () => boolean): Promise<void> {
    await until(async () => (await this.open(this.url), wanted()), `${what}; the page says: ${this.title}`, 8_000, 150);
  }

  private async take(response: Response): Promise<this> {
    this.status = response.status;
    this.url = response.headers.get('location') ?? response.url;
    this.page = await response.text();
    return this;
  }
}

const pairingPage = (invitation: { address: string }): Promise<Browser> => new Browser().open(`http://${invitation.address}`);

/** The citizen follows the invitation to its end. @returns the browser, on the page that shows the word */
async function redeem(invitation: { address: string; pairingCode: string }): Promise<Browser> {
  const browser = await pairingPage(invitation);
  await browser.submit({ code: invitation.pairingCode });
  return browser.submit({ method: 'yivi' });
}

const identities = (heard = screen.heard): Extract<ServerMessage, { type: 'reveal' }>[] => heard.flatMap(({ message }) => (message.type === 'reveal' && message.identity ? [message] : []));
const allHeard = (): string => JSON.stringify(screen.heard);

describe('the agent asks a caller to identify', () => {
  it('sees who it is after hearing the word, and all of it is gone after the call', async () => {
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled }));
    await citizen.answered();
    await citizen.press('0#');
    expect((await screen.told('offer', { timeoutMs: 25_000 })).call).toMatchObject({ identified: 'none', canIdentify: true });
    const { callId } = await screen.told('connected', { timeoutMs: 20_000 });

    screen.say({ type: 'identify', callId });
    const invitation = await screen.told('invitation');
    const browser = await redeem(invitation);
    expect(core.started.at(-1)).toMatchObject({ purpose: 'report_move', auth_method: 'yivi', comm_url: browser.url });
    expect(browser.step('login')).toBe('done');
    expect(browser.step('talk')).toBe('current');

    const { word, confirmId } = await screen.told('confirmWord');
    expect(browser.word).toBe(word);
    expect(allHeard()).toEqual(nothingOf(login));
    expect(browser.page).toEqual(nothingOf(login));

    screen.say({ type: 'word', callId, confirmId, same: true });
    const reveal = await screen.told('reveal', { count: 2 });
    expect(reveal).toMatchObject({ callId, identified: 'verified', how: 'duringCall' });
    expect(reveal.identity!.fields.flatMap(({ value }) => value ?? []).sort()).toEqual([login.city, login.fullname].sort());
    // What is masked is sent when it is asked for, and not before.
    expect(allHeard()).not.toContain(login.bsn);
    screen.say({ type: 'unmask', callId, revealId: reveal.revealId, field: 'bsn' });
    expect(await screen.told('unmasked')).toMatchObject({ field: 'bsn', value: login.bsn });
    expect(reveal.identity!.verifiedMsAgo).toBeLessThan(60_000);
    await until(() => core.feedback.at(-1)!.includes('user_active'), 'the authentication plugin to hear that its session is in use');

    await citizen.hangup();
    await screen.told('clear');
    expect(screen.shown).toBeUndefined();
    await browser.until('the receipt', () => browser.receiptMs !== undefined);
    expect(browser.receiptMs).toBeGreaterThan(0);
    expect(browser.word).toBeUndefined();
    await until(() => core.feedback.at(-1)!.at(-1) === 'logout', 'the authentication plugin to hear that it is over');
    expect(allHeard().split(login.bsn)).toHaveLength(2);
  }, 70_000);

  it('hears another word: nothing is shown, all is deleted, and they may try again', async () => {
    const { callId } = await talking();
    screen.say({ type: 'identify', callId });
    const first = await screen.told('invitation');
    const browser = await redeem(first);
    const { confirmId } = await screen.told('confirmWord');
    screen.say({ type: 'word', callId, confirmId, same: false });
    await screen.told('identifyFailed');
    await until(async () => (await gateway.gateway.vault.stats()).live === 0, 'the session to be deleted');
    await browser.until('the page to say that this login does not count', () => browser.title === 'Deze login telt niet meer');
    expect(browser.word).toBeUndefined();

    // A second answer to the same question changes nothing.
    screen.say({ type: 'word', callId, confirmId, same: true });
    screen.say({ type: 'identify', callId });
    const second = await screen.told('invitation', { count: 2 });
    expect(second.pairingCode).not.toBe(first.pairingCode);
    await redeem(second);
    await screen.told('confirmWord', { count: 2 });
    expect(allHeard()).toEqual(nothingOf(login));
    expect(screen.shown?.fields).toBeNull();
  }, 60_000);

  it('although identified before the call: the new login takes the place of the old one', async () => {
    const call = dial(await gateway.citizen(attributes));
    const { callId } = await screen.told('connected', { timeoutMs: 20_000 });
    expect(Object.values(screen.shown!.fields!)).toContain(attributes.fullname);
    screen.say({ type: 'identify', callId });
    await redeem(await screen.told('invitation'));
    const { confirmId } = await screen.told('confirmWord');
    expect(await gateway.gateway.vault.stats()).toMatchObject({ live: 2 });
    screen.say({ type: 'word', callId, confirmId, same: true });
    const reveal = await screen.told('reveal', { count: 2 });
    expect(reveal).toMatchObject({ how: 'duringCall' });
    expect(JSON.stringify(reveal.identity)).toContain(login.fullname);
    expect(JSON.stringify(reveal.identity)).toEqual(nothingOf(attributes));
    await until(async () => (await gateway.gateway.vault.stats()).live === 1, 'the old session to be deleted while they talk');
    await call.hangup('done');
    await screen.told('clear');
  }, 50_000);

  it('and the login fails: the agent and the page say so', async () => {
    const { callId } = await talking();
    core.outcome = 'failed';
    screen.say({ type: 'identify', callId });
    const browser = await redeem(await screen.told('invitation'));
    await screen.told('identifyFailed');
    expect(browser.step('login')).toBe('failed');
    expect(browser.title).toBe('Inloggen is niet gelukt');
    expect(screen.heard.some(({ message }) => message.type === 'confirmWord')).toBe(false);
    // The next try may do better.
    core.outcome = login;
    screen.say({ type: 'identify', callId });
    await redeem(await screen.told('invitation', { count: 2 }));
    await screen.told('confirmWord');
  }, 50_000);

  it('and the caller hangs up while logging in: the result finds nobody, and the page tells', async () => {
    const { call, callId } = await talking();
    screen.say({ type: 'identify', callId });
    const invitation = await screen.told('invitation');
    const browser = await pairingPage(invitation);
    await browser.submit({ code: invitation.pairingCode });
    await browser.submit({ method: 'digid' }, 'manual');
    expect(browser.url.startsWith(`${core.url}/login/`)).toBe(true);
    await call.hangup('changed my mind');
    await screen.told('clear');
    await gateway.untilEmpty(15_000);

    await browser.open(browser.url);
    expect(core.delivered.at(-1)).toBe(404);
    expect(browser.title).toBe('Het gesprek is afgelopen');
    expect(browser.receiptMs).toBeGreaterThan(0);
    expect(browser.word).toBeUndefined();
    expect(allHeard()).toEqual(nothingOf(login));
  }, 50_000);

  it('and again, and the caller hangs up: neither pairing code leads anywhere', async () => {
    const { call, callId } = await talking();
    screen.say({ type: 'identify', callId });
    const replaced = await screen.told('invitation');
    screen.say({ type: 'identify', callId });
    const unused = await screen.told('invitation', { count: 2 });
    expect((await (await pairingPage(replaced)).submit({ code: replaced.pairingCode })).status).toBe(400);
    await call.hangup('changed my mind');
    await screen.told('clear');
    expect((await (await pairingPage(unused)).submit({ code: unused.pairingCode })).status).toBe(400);
  }, 50_000);

  it('and reloads the screen: what stood there comes back, what was asked before is void', async () => {
    const { callId } = await talking();
    screen.say({ type: 'identify', callId });
    const invitation = await screen.told('invitation');

    const reloaded = peers.add(await gateway.screen('anna'));
    expect(await reloaded.told('invitation')).toMatchObject({ callId, pairingCode: invitation.pairingCode });
    const browser = await redeem(invitation);
    const asked = await reloaded.told('confirmWord');

    const again = peers.add(await gateway.screen('anna'));
    const askedAgain = await again.told('confirmWord');
    expect(askedAgain.word).toBe(asked.word);
    expect(askedAgain.word).toBe(browser.word);
    expect(askedAgain.confirmId).not.toBe(asked.confirmId);
    again.say({ type: 'word', callId, confirmId: asked.confirmId, same: true });
    again.say({ type: 'word', callId, confirmId: askedAgain.confirmId, same: false });
    await again.told('identifyFailed');
    expect([screen, reloaded, again].flatMap(({ heard }) => identities(heard))).toEqual([]);
  }, 50_000);
});

describe('the voice asks a caller who waits', () => {
  it('the result arrives before an agent does, who compares the word first', async () => {
    screen.say({ type: 'availability', value: 'break' });
    await screen.told('availability');
    const call = dial('0', '0687654321');
    await until(() => call.events.some((event) => event.kind === 'told' && event.state === 'waiting'), 'the caller to wait', 20_000);
    const before = core.invitations.length;
    await call.press('1');
    const invitation = await until(() => core.invitations[before], 'the invitation', 15_000);
    // Who sends invitations by SMS knows where to.
    expect(invitation.callerNumber).toBe('0687654321');
    const browser = await redeem(invitation);
    expect(browser.title).toBe('U bent ingelogd');

    screen.say({ type: 'availability', value: 'available' });
    const { call: offered } = await screen.told('offer', { timeoutMs: 20_000 });
    expect(offered.identified).toBe('none');
    await screen.told('connected', { timeoutMs: 20_000 });
    const { callId, confirmId, word } = await screen.told('confirmWord');
    expect(word).toBe(browser.word);
    expect(allHeard()).toEqual(nothingOf(login));
    screen.say({ type: 'word', callId, confirmId, same: true });
    await until(() => identities().length > 0, 'the identity');
    expect(identities()[0]).toMatchObject({ callId: offered.callId, how: 'duringCall' });
  }, 60_000);
});
