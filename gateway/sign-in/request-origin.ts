import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request was made by one of our own pages. A browser adds these headers itself and a foreign page cannot
 * change them; a request without any of them is refused, so a program that wants in sends an Origin like a browser.
 *
 * @param allowed origins (`https://agents.example`) the screen is reached by; empty: the one the Host header names
 */
export function isOwnOrigin(headers: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  // https://www.w3.org/TR/fetch-metadata/ - absent on plain http other than loopback, and on WebSockets of some browsers.
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  const origin = headers.origin;
  if (origin === undefined) return site === 'same-origin';
  if (!URL.canParse(origin)) return false;
  const { origin: normal, host, protocol } = new URL(origin);
  if (allowed.length > 0) return allowed.includes(normal);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  // Read as a URL of the same scheme, so that case and a spelled-out default port make no difference.
  const asked = `${protocol}//${headers.host ?? ''}`;
  return URL.canParse(asked) && new URL(asked).host === host;
}

/** Whether a page of another site sent the browser here. Where a browser does not say, the person is believed. */
export function isSentByAnother(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}
