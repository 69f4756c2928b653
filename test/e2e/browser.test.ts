/** The agent's real page in a real browser, during a real call. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { chromiumPath, msOfTone, Peers, sleep, startBaresip, startBrowser, startCitizen, until } from '../peers/index.js';
import { TestGateway } from '../support/gateway.js';
import { agentHz, attributes, citizenHz, dialled, typeCode } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

/** Set to a folder to keep pictures. */
const pictures = process.env['SCREEN_PICTURES'];
const picture = async (page: Page, name: string) => {
  if (pictures) await page.screenshot({ path: `${pictures}/call-${name}.png`, fullPage: true });
};

/** Everything in the page and in what the browser keeps for it. */
const everything = (page: Page) =>
  page.evaluate<string>(`document.documentElement.outerHTML + document.title + location.href + JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }) + JSON.stringify(history.state)`);

async function holdsNothing(page: Page): Promise<void> {
  const text = await everything(page);
  for (const value of Object.values(attributes)) expect(text).not.toContain(value);
}

describe.skipIf(chromiumPath() === undefined)('a call on the agent’s page', () => {
  it.each(['anchored', 'released'] as const)('shows the name before the voices meet, and nothing afterwards (%s)', async (bridge) => {
    const phone = peers.add(await startBaresip({ toneHz: [agentHz] }));
    const gateway = peers.add(await TestGateway.start({ bridge, agents: [{ name: 'anna', phone: phone.uri }] }));
    const browser = peers.add(await startBrowser());
    const page = await (await browser.browser.newContext({ locale: 'nl-NL' })).newPage();
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.setViewportSize({ width: 1280, height: 800 });

    await page.goto(gateway.gateway.urls.agents);
    await page.getByLabel('Gebruikersnaam').fill('anna');
    await page.getByLabel('Wachtwoord').fill('demo');
    await page.getByRole('button', { name: 'Aanmelden' }).click();
    await page.getByText('Wacht op een gesprek').waitFor();
    // The clock of the page when the attributes are in its document, in ms since 1970.
    await page.evaluate(`window.drawnAt = 0; new MutationObserver(() => { if (!window.drawnAt && document.body.innerText.includes(${JSON.stringify(attributes.fullname)})) window.drawnAt = Date.now(); }).observe(document.body, { childList: true, subtree: true, characterData: true });`);

    const code = await gateway.citizen(attributes);
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled, toneHz: [citizenHz] }));
    await citizen.answered();
    await typeCode(gateway, citizen, code);
    let heardAt = 0;
    let spokeAt = 0;
    let drawnBeforeHeard: number | undefined;
    await until(async () => {
      if (msOfTone(phone.heard().samples, citizenHz) > 0) {
        heardAt = Date.now();
        drawnBeforeHeard = Number(await page.evaluate('window.drawnAt'));
        return true;
      }
      // Keys ended the tone the citizen speaks with: it begins again as soon as the name is on the page, and once a second
      // until it is heard.
      if (Date.now() - spokeAt > 1_500 && (await page.evaluate('window.drawnAt > 0'))) {
        spokeAt = Date.now();
        await citizen.playTone();
      }
      return false;
    }, 'the agent to hear the citizen', 30_000, 20);
    expect(drawnBeforeHeard).toBeGreaterThan(0);
    expect(drawnBeforeHeard).toBeLessThan(heardAt);
    await page.getByText('In gesprek').waitFor();
    expect(await everything(page)).not.toContain(attributes.bsn);
    await page.getByRole('button', { name: 'Toon Burgerservicenummer' }).click();
    await page.getByText(attributes.bsn).waitFor();
    const shown = await page.locator('#identity').innerText();
    for (const value of Object.values(attributes)) expect(shown).toContain(value);
    await picture(page, `${bridge}-desktop`);
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await picture(page, `${bridge}-phone`);
    await page.setViewportSize({ width: 1280, height: 800 });

    // A reload in the middle shows the same call again, by a new pop.
    await page.reload();
    await page.getByText(attributes.fullname).waitFor();
    await page.getByText('In gesprek').waitFor();

    // The computer slept: the page blanks on its own clock, and the call, which lives, shows itself again.
    await page.evaluate(`{
      const { now } = Date;
      Date.now = () => now() + 3_600_000;
      document.dispatchEvent(new Event('visibilitychange'));
      Date.now = now;
      window.wasBlank = document.querySelector('#identity *') === null;
    }`);
    expect(await page.evaluate('window.wasBlank')).toBe(true);
    await page.getByText(attributes.fullname).waitFor();
    await page.getByText('In gesprek').waitFor();

    const hungUpAt = Date.now();
    await citizen.hangup();
    await until(async () => (await page.locator('#identity *').count()) === 0, 'the page to be blank', 5_000, 20);
    expect(Date.now() - hungUpAt).toBeLessThan(2_500);
    await picture(page, `${bridge}-cleared`);
    await holdsNothing(page);
    await gateway.untilEmpty();
    expect(page.url()).toBe(`${gateway.gateway.urls.agents}/screen`);

    await page.reload();
    await page.getByText('Wacht op een gesprek').waitFor();
    await holdsNothing(page);
    await page.goto('about:blank');
    await page.goBack();
    await page.waitForLoadState();
    await sleep(500);
    await holdsNothing(page);
    await page.getByRole('button', { name: 'Afmelden' }).click();
    await page.waitForURL('**/login*');
    await page.goBack().catch(() => undefined);
    await sleep(500);
    await holdsNothing(page);
    expect(new URL(page.url()).pathname).toMatch(/^\/(login)?$|^\/login/);
    expect(complaints).toEqual([]);
  }, 90_000);

  it('goes back in the browser in the middle of a call: the attributes do not come along', async () => {
    const phone = peers.add(await startBaresip({ toneHz: [agentHz] }));
    const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: phone.uri }] }));
    const browser = peers.add(await startBrowser());
    const page = await (await browser.browser.newContext({ locale: 'nl-NL' })).newPage();
    await page.goto(gateway.gateway.urls.agents);
    await page.getByLabel('Gebruikersnaam').fill('anna');
    await page.getByLabel('Wachtwoord').fill('demo');
    await page.getByRole('button', { name: 'Aanmelden' }).click();
    await page.getByText('Wacht op een gesprek').waitFor();
    const code = await gateway.citizen(attributes);
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled }));
    await citizen.answered();
    await typeCode(gateway, citizen, code);
    await page.getByText(attributes.fullname).waitFor({ timeout: 20_000 });
    await page.goto(`${gateway.gateway.urls.ops}/live`);
    await holdsNothing(page);
    await citizen.hangup();
    await gateway.untilEmpty();
    // The call is over: the page that is come back to, perhaps from the browser's memory, shows nothing of it.
    await page.goBack();
    await page.getByText('Wacht op een gesprek').waitFor();
    await holdsNothing(page);
  }, 60_000);
});
