/** The pictures of docs/agents.md: there, small, and made anew from the real page by `DOCS_PICTURES=write npx vitest run --config test/vitest.config.ts test/screen/pictures`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { startBrowser } from '../peers/browser.js';
import { logInOn, startListener } from './listener.js';
import { office, states } from './states.js';

const docs = path.resolve(import.meta.dirname, '../../docs');
const folder = path.join(docs, 'images');
const page = readFileSync(path.join(docs, 'agents.md'), 'utf8');
const named = [...page.matchAll(/\]\(images\/agents-([a-z-]+)\.png\)/g)].map(([, name]) => name!);
/** Bytes; the repository is cloned by many who never look at a picture. */
const largest = 130_000;

it('every picture of the page is of a state of the screen, and there', () => {
  expect(named.length).toBeGreaterThan(5);
  const known = states.map(({ name }) => name);
  expect(named.filter((name) => !known.includes(name.replace(/-phone$/, '')))).toEqual([]);
  expect(named.filter((name) => process.env['DOCS_PICTURES'] !== 'write' && !existsSync(path.join(folder, `agents-${name}.png`)))).toEqual([]);
});

it.runIf(process.env['DOCS_PICTURES'] === 'write')('makes them', { timeout: 180_000 }, async () => {
  mkdirSync(folder, { recursive: true });
  const browser = await startBrowser();
  try {
    for (const name of named) {
      const isPhone = name.endsWith('-phone');
      const listener = await startListener(office);
      const context = await browser.browser.newContext({ locale: 'nl-NL', viewport: isPhone ? { width: 360, height: 640 } : { width: 1080, height: 400 }, reducedMotion: 'reduce', colorScheme: 'light' });
      const screen = await context.newPage();
      await screen.addInitScript(`localStorage.setItem('language', 'en')`);
      await logInOn(screen, listener);
      await states.find((state) => state.name === name.replace(/-phone$/, ''))!.enter(listener, screen);
      await screen.mouse.move(0, 0);
      await screen.screenshot({ path: path.join(folder, `agents-${name}.png`), fullPage: true });
      await context.close();
      await listener.close();
    }
  } finally {
    await browser.stop();
  }
});

it('none is large, and none is forgotten', () => {
  const made = readdirSync(folder).filter((file) => file.startsWith('agents-'));
  expect(made.map((file) => file.slice('agents-'.length, -'.png'.length)).sort()).toEqual([...new Set(named)].sort());
  expect(made.filter((file) => statSync(path.join(folder, file)).size > largest)).toEqual([]);
});
