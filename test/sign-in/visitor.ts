/** A browser without a screen: cookies by origin, forms, and redirects followed one by one. Knows nothing of SameSite; Chromium does. */
export class Visitor {
  readonly #jar = new Map<string, Map<string, string>>();
  /** Where it is. */
  url = 'about:blank';
  status = 0;
  text = '';
  headers = new Headers();
  /** Every address it was sent to, in order. */
  readonly visited: string[] = [];

  cookies(origin: string): ReadonlyMap<string, string> {
    return this.#jar.get(origin) ?? new Map<string, string>();
  }

  setCookie(origin: string, name: string, value: string): void {
    this.#jar.set(origin, new Map(this.cookies(origin)).set(name, value));
  }

  /** One request, no redirect followed. */
  async request(address: string, init: { method?: string; body?: URLSearchParams; headers?: Record<string, string> } = {}): Promise<Response> {
    const url = new URL(address, this.url === 'about:blank' ? undefined : this.url);
    const cookie = [...this.cookies(url.origin)].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { accept: 'text/html', 'accept-language': 'en', ...(cookie && { cookie }), ...(init.method === 'POST' && { origin: url.origin }), ...init.headers },
      ...(init.method !== undefined && { method: init.method }),
      ...(init.body && { body: init.body }),
    });
    const jar = new Map(this.cookies(url.origin));
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...flags] = line.split(';');
      const [name = '', ...value] = pair.split('=');
      const gone = flags.some((flag) => /^\s*(?:max-age=0|expires=Thu, 01 Jan 1970.*)$/iu.test(flag));
      if (gone || value.join('=') === '') jar.delete(name);
      else jar.set(name, value.join('='));
    }
    this.#jar.set(url.origin, jar);
    this.visited.push(url.href);
    this.url = url.href;
    this.status = response.status;
    this.headers = response.headers;
    return response;
  }

  /** Follows redirects, and pages that go on by themselves, until a page stands still or `until` says so. */
  async go(address: string, init: Parameters<Visitor['request']>[1] = {}, until: (location: string) => boolean = () => false): Promise<this> {
    let next: string | undefined = address;
    let how = init;
    for (let hops = 0; next !== undefined; hops += 1) {
      if (hops > 20) throw new Error(`a loop: ${this.visited.slice(-6).join(' -> ')}`);
      const response = await this.request(next, how);
      how = {};
      this.text = await response.text();
      const location: string | null | undefined = response.headers.get('location') ?? /http-equiv="refresh" content="0; url=([^"]+)"/u.exec(this.text)?.[1]?.replaceAll('&amp;', '&');
      next = location ? new URL(location, this.url).href : undefined;
      if (next !== undefined && until(next)) {
        this.url = next;
        return this;
      }
    }
    return this;
  }

  /** Submits the first form of the page with what is typed. */
  async submit(typed: Record<string, string>, until?: (location: string) => boolean): Promise<this> {
    const form = /<form[^>]*action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/u.exec(this.text);
    if (!form) throw new Error(`no form at ${this.url}: ${this.text.slice(0, 500)}`);
    const body = new URLSearchParams();
    for (const [input] of form[2]!.matchAll(/<input[^>]*>/gu)) {
      const name = /name="([^"]+)"/u.exec(input)?.[1];
      if (name !== undefined) body.set(name, /value="([^"]*)"/u.exec(input)?.[1] ?? '');
    }
    for (const [name, value] of Object.entries(typed)) body.set(name, value);
    return this.go(form[1]!.replaceAll('&amp;', '&'), { method: 'POST', body }, until);
  }
}
