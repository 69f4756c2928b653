/** A citizen's browser without JavaScript, as far as the guided run needs one: pages are opened, forms filled in and sent. */

export interface OpenPage {
  readonly url: string;
  readonly html: string;
}

/** @throws Error when the page does not answer with success */
export async function open(url: string): Promise<OpenPage> {
  return read(await fetch(url));
}

/**
 * Fills in the page's first form, hidden fields included, and sends it. Redirects are followed.
 * @param values by the name of the field; what is left out keeps the value the page gave it
 */
export async function send(page: OpenPage, values: Readonly<Record<string, string>> = {}): Promise<OpenPage> {
  const form = /<form method="post"[^>]*action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/.exec(page.html);
  if (!form) throw new Error(`there is no form on ${new URL(page.url).pathname}`);
  const fields = new URLSearchParams();
  for (const [control] of form[2]!.matchAll(/<(?:input|button)\b[^>]*>/g)) {
    const name = attribute(control, 'name');
    const chosen = !/type="radio"/.test(control) || / checked/.test(control);
    if (name !== undefined && chosen && !fields.has(name)) fields.set(name, attribute(control, 'value') ?? '');
  }
  for (const [name, value] of Object.entries(values)) fields.set(name, value);
  const { origin } = new URL(page.url);
  return read(await fetch(new URL(decode(form[1]!), page.url), { method: 'POST', body: fields, headers: { origin } }));
}

/** The page as a person reads it: without its tags. */
export function textOf(page: OpenPage): string {
  return decode(page.html.replace(/<head>[\s\S]*?<\/head>/, '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' '));
}

async function read(response: Response): Promise<OpenPage> {
  const html = await response.text();
  if (!response.ok) throw new Error(`${new URL(response.url).pathname.split('/').slice(0, 2).join('/')} answered ${response.status}`);
  return { url: response.url, html };
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1];
  return found === undefined ? undefined : decode(found);
}

function decode(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
}
