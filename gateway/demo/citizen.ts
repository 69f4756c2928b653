/** What a citizen does on the website before calling. */
import { open, type OpenPage } from './citizen-browser.js';
import type { Stage } from './stage.js';

export interface LoggedIn {
  readonly number: string;
  readonly code: string;
  /** The page that shows the number and the code. */
  readonly page: OpenPage;
  readonly feedbackUrl: string;
}

/** Logs in as this person at the demo's core. The attributes and the code are secrets of the stage from here on. */
export async function logInOnWebsite(stage: Stage, attributes: Readonly<Record<string, string>>, purpose?: string): Promise<LoggedIn> {
  const body = JSON.stringify({ attributes, ...(purpose !== undefined && { purpose }) });
  const answer = await fetch(`${stage.gateway.urls.public}/demo/session`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const session = (await answer.json()) as { number: string; clientUrl: string; feedbackUrl: string };
  const page = await open(session.clientUrl);
  const code = /data-code="(\d+)"/.exec(page.html)?.[1] ?? '';
  stage.secrets.push(code, ...Object.values(attributes));
  return { number: session.number, code, page, feedbackUrl: session.feedbackUrl };
}
