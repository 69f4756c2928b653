/** `refused`: the plugin, or the address itself, will not do better next time. */
export type PostOutcome = { readonly outcome: 'delivered' | 'refused' | 'failed'; readonly status?: number };

/** 4xx answers that may be different later. */
const PASSING = new Set([408, 429]);

/**
 * Says one word to a session address: `POST {address}?type={word}`, behind the query the address has already. Follows
 * no redirect, keeps no cookie, and takes no interest in the answer's body. Never rejects.
 * @param request aborts it
 */
export async function post(address: string, word: string, timeoutMs: number, request: AbortController): Promise<PostOutcome> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  // fetch refuses addresses with a user name, and its error would repeat them.
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') return { outcome: 'refused' };
  // Appended as text: URLSearchParams would write the address's own query anew, in its own spelling.
  url.search = `${url.search === '' ? '?' : `${url.search}&`}type=${word}`;
  const timer = setTimeout(() => request.abort(), timeoutMs);
  try {
    const response = await fetch(url, { method: 'POST', redirect: 'manual', signal: request.signal });
    await response.body?.cancel();
    const { status } = response;
    if (response.ok) return { outcome: 'delivered', status };
    return { outcome: status < 500 && !PASSING.has(status) ? 'refused' : 'failed', status };
  } catch {
    return { outcome: 'failed' };
  } finally {
    clearTimeout(timer);
  }
}
