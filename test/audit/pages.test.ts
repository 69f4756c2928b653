/** The auditor's pages: who may look, what they see, and that it is recorded that they looked. */
import { rmSync } from 'node:fs';
import fastify, { type FastifyBaseLogger } from 'fastify';
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { auditOver, type Audit } from '../../gateway/audit/audit.js';
import { auditPages } from '../../gateway/audit/index.js';
import { Happenings } from '../../gateway/happenings.js';
import { agentsListener } from '../../gateway/sign-in/listener.js';
import { SignIn } from '../../gateway/sign-in/sign-in.js';
import { chromiumPath, freePort, Peers, scratchFolder, startBrowser } from '../peers/index.js';
import { account, password } from '../screen/listener.js';
import { tenant } from '../sign-in/door.js';
import { Visitor } from '../sign-in/visitor.js';
import { violations } from '../support/axe.js';
import { linesOf, openTrail, parsed, silent, trailFiles } from './support.js';

const peers = new Peers();
afterEach(() => peers.stopAll());

async function pages(options: { single?: boolean; record?: Audit['record'] } = {}) {
  const folder = scratchFolder('audit');
  peers.defer(() => rmSync(folder, { recursive: true, force: true }));
  const log = pino({ level: 'trace' }, { write: () => undefined });
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const happenings = new Happenings(silent);
  const accounts = [account('anna'), account('sofie', 'Sofie', { roles: ['supervisor', 'admin'] }), account('oscar', 'Oscar', { roles: ['auditor'] }), account('rosa', 'Rosa', { roles: ['auditor', 'supervisor', 'agent'] })];
  const signIn = new SignIn({ log, baseUrl: () => origin, accounts, happenings, ...(options.single === false ? { tenants: [tenant('main', undefined)] } : {}) });
  signIn.homeFor('agent', '/screen');
  signIn.homeFor('supervisor', '/supervisor');
  const trail = await openTrail(folder);
  const kept = auditOver(trail, true, happenings, silent);
  const audit: Audit = options.record ? { ...kept, trail, record: options.record } : kept;
  const loggerInstance: FastifyBaseLogger = log;
  const app = fastify({ loggerInstance, forceCloseConnections: true });
  await app.register(agentsListener(signIn, [auditPages({ signIn, audit, single: options.single ?? true, log })]));
  await app.listen({ host: '127.0.0.1', port });
  peers.add({ stop: async () => {
    signIn.close();
    await app.close();
    await kept.close();
  } });
  const visitor = async (name?: string): Promise<Visitor> => {
    const one = new Visitor();
    if (name === undefined) return one;
    await one.go(`${origin}/login`);
    return one.submit({ name, password });
  };
  const recorded = () => trailFiles(folder).flatMap((file) => linesOf(folder, file)).map(parsed);
  return { origin, audit: kept, visitor, recorded, happenings };
}

const shown = (callId: string, agent: string, tenantName = 'main') => ({ tenant: tenantName, callId, agent, why: 'answered' as const, fields: ['fullname', 'bsn'] });

describe('who may look', () => {
  it.each([
    [undefined, 303, 401],
    ['anna', 403, 403],
    ['sofie', 403, 403],
    ['oscar', 200, 200],
  ] as const)('%s: the page answers %i, the export %i', async (name, page, copy) => {
    const { origin, visitor, audit, recorded } = await pages();
    await audit.shown(shown('c1', 'anna'));
    const who = await visitor(name);
    const read = async (path: string) => {
      const answer = await who.request(`${origin}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    const looked = await read('/audit');
    const exported = await read('/audit/export?format=csv');
    expect([looked.status, exported.status]).toEqual([page, copy]);
    expect(looked.text.includes('c1')).toBe(page === 200);
    expect(exported.text.includes('c1')).toBe(copy === 200);
    // An auditor comes to this page by logging in already: that look is recorded as well.
    expect(recorded().filter(({ act }) => act === 'looked' || act === 'exported').map(({ act, agent }) => [act, agent])).toEqual(name === 'oscar' ? [['looked', 'oscar'], ['looked', 'oscar'], ['exported', 'oscar']] : []);
  });

  it('nobody, when it cannot be recorded that they looked', async () => {
    const { origin, visitor } = await pages({ record: () => Promise.reject(new Error('full')) });
    const oscar = await visitor('oscar');
    for (const path of ['/audit', '/audit/export']) expect((await oscar.request(`${origin}${path}`)).status).toBe(503);
  });

  it('only at what is of their own municipality, where there are several', async () => {
    const { origin, visitor, audit } = await pages({ single: false });
    await audit.shown(shown('ours', 'anna'));
    await audit.shown(shown('theirs', 'dirk', 'other'));
    const oscar = await visitor('oscar');
    for (const path of ['/audit?call=', '/audit?call=theirs', '/audit/export', '/audit/export?call=theirs&format=jsonl']) {
      const text = await (await oscar.request(`${origin}${path}`)).text();
      expect(text.includes('dirk'), path).toBe(false);
      expect(text.includes('"act":"started"'), path).toBe(false);
    }
    expect(await (await oscar.request(`${origin}/audit/export`)).text()).toContain('ours');
  });
});

describe('what they see', () => {
  it('is what was asked for, in their language, with a copy of the same', async () => {
    const { origin, visitor, audit, happenings, recorded } = await pages();
    await audit.shown(shown('c1', 'anna'));
    await audit.shown({ ...shown('c2', 'bram'), fields: ['<script>alert(1)</script>'] });
    happenings.tell({ type: 'agent.refused', by: 'password' });
    const oscar = await visitor('oscar');
    const english = await (await oscar.request(`${origin}/audit`)).text();
    expect(english).toContain('<html lang="en">');
    expect(english).toContain('call answered');
    expect(english).toContain('fullname, bsn');
    expect(english).toContain('&lt;script&gt;');
    expect(english).not.toContain('<script');
    const dutch = await (await oscar.request(`${origin}/audit?call=c1`, { headers: { 'accept-language': 'nl' } })).text();
    expect(dutch).toContain('gesprek aangenomen');
    expect(dutch).not.toContain('c2');
    expect(dutch).toContain('/audit/export?call=c1&amp;format=csv');
    const copy = await oscar.request(`${origin}/audit/export?call=c1&format=csv`);
    expect(copy.headers.get('content-disposition')).toMatch(/^attachment; filename="audit-\d{4}-\d\d-\d\d\.csv"$/);
    expect(copy.headers.get('cache-control')).toBe('no-store');
    expect((await copy.text()).trimEnd().split('\r\n')).toHaveLength(2);
    expect(recorded().at(-1)).toMatchObject({ act: 'exported', format: 'csv', filter: { call: 'c1' } });
    expect((await oscar.request(`${origin}/audit?from=gisteren`)).status).toBe(400);
    expect((await oscar.request(`${origin}/audit/export?from=2026-02-31`)).status).toBe(400);
    expect((await oscar.request(`${origin}/audit/export?format=xml`)).status).toBe(400);
    expect(await (await oscar.request(`${origin}/audit?from=2020-01-01&to=2020-12-31`)).text()).toContain('Nothing was found.');
  });

  it('leads to the pages of their other roles, and of no others', async () => {
    const { origin, visitor } = await pages();
    const read = async (name: string, language: string): Promise<string> => (await (await visitor(name)).request(`${origin}/audit`, { headers: { 'accept-language': language } })).text();
    expect(await read('rosa', 'nl')).toMatch(/<a href="\/screen">Telefoonscherm<\/a>.*<a href="\/supervisor">Overzicht telefoon<\/a>/su);
    expect(await read('rosa', 'en')).toMatch(/>Agent’s screen<.*>Telephone overview</su);
    expect(await read('oscar', 'nl')).not.toMatch(/\/screen|\/supervisor|<nav/u);
  });

  it('says that there may be more, and the copy holds it', async () => {
    const { origin, visitor, audit } = await pages();
    await Promise.all(Array.from({ length: 450 }, (_, i) => audit.shown(shown(`c${i}`, 'anna'))));
    const oscar = await visitor('oscar');
    const page = await (await oscar.request(`${origin}/audit?act=shown`)).text();
    expect(page).toContain('The newest 200 lines');
    expect(page.match(/<tr><th scope="row">/g)).toHaveLength(200);
    expect(page).toContain('>c449<');
    expect(page).not.toContain('>c100<');
    expect((await (await oscar.request(`${origin}/audit/export?act=shown`)).text()).trimEnd().split('\r\n')).toHaveLength(451);
  });

  it.skipIf(chromiumPath() === undefined)('can be used by keyboard alone, and axe finds nothing, at two widths', async () => {
    const { origin, audit } = await pages();
    await audit.shown(shown('c1', 'anna'));
    await audit.shown(shown('c2', 'bram'));
    const browser = peers.add(await startBrowser());
    const page = await browser.newPage();
    await page.goto(`${origin}/login`);
    await page.locator('#name').fill('rosa');
    await page.locator('#password').fill(password);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => !url.pathname.startsWith('/login'));
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto(`${origin}/audit`);
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    }
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.className')).toBe('skip');
    const field = async (id: string) => { while ((await page.evaluate('document.activeElement.id')) !== id) await page.keyboard.press('Tab'); };
    await field('call');
    await page.keyboard.type('c2');
    await page.keyboard.press('Enter');
    await page.waitForURL(/call=c2/);
    expect(await page.locator('tbody tr').count()).toBe(1);
    expect(await page.locator('tbody tr').first().textContent()).toContain('bram');
  }, 60_000);
});
