import { existsSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';

/** Debian's Chromium, headless, that talks to nobody but the pages it is told to open. */
export interface TestBrowser {
  readonly browser: Browser;
  /** A page with its own cookies. */
  newPage(): Promise<Page>;
  stop(): Promise<void>;
}

/** The one without windows of its own first: the same engine at half the work. */
const places = [process.env['CHROMIUM_PATH'], '/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where Chromium is on this machine, if anywhere. */
export function chromiumPath(): string | undefined {
  return places.find((place) => place !== undefined && existsSync(place));
}

export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error('no Chromium found: install the Debian package chromium-headless-shell or chromium, or set CHROMIUM_PATH');
  // Loaded when it is wanted: most tests have phones only.
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  return {
    browser,
    newPage: async () => (await browser.newContext()).newPage(),
    stop: () => browser.close(),
  };
}
