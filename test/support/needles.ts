/**
 * Looks for very many texts at once, in everything that a gateway left behind, and in the ways a text might have been
 * written by accident. A rolling hash over the first bytes (Rabin and Karp), so that 100,000 needles cost no more than one.
 */

/** Bytes of each needle that are hashed; no needle may be shorter. */
const windowBytes = 8;
const base = 0x01000193;
/** One bit per hash, before the map is asked: 2 MiB. */
const filterBits = 24;

interface Needle {
  readonly what: string;
  readonly form: string;
  readonly bytes: Buffer;
}

export interface Find {
  readonly what: string;
  /** In which disguise. */
  readonly form: string;
  /** What stands around it. */
  readonly around: string;
  /** The letters and digits that it is found among, itself included. */
  readonly word: string;
}

/** How many bytes before and after a find are told. */
const around = 60;

export class Needles {
  private readonly byHash = new Map<number, Needle[]>();
  private readonly filter = new Uint8Array(2 ** (filterBits - 3));
  private readonly leading = Array.from({ length: windowBytes - 1 }).reduce<number>((power) => Math.imul(power, base), 1);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** @param what how it is called when it is found @throws RangeError for a text so short that it would be found by chance */
  add(what: string, text: string): void {
    for (const [form, disguised] of disguises(text)) {
      const bytes = Buffer.from(disguised, 'utf8');
      if (bytes.length < windowBytes) throw new RangeError(`too short to look for: ${what} as ${form}`);
      let hash = 0;
      for (let i = 0; i < windowBytes; i += 1) hash = (Math.imul(hash, base) + bytes[i]!) | 0;
      this.byHash.set(hash, [...(this.byHash.get(hash) ?? []), { what, form, bytes }]);
      const bit = hash >>> (32 - filterBits);
      this.filter[bit >> 3]! |= 1 << (bit & 7);
      this.count += 1;
    }
  }

  /** @returns each needle that is there, in each of its disguises, once */
  findIn(hay: Buffer | string): Find[] {
    const bytes = typeof hay === 'string' ? Buffer.from(hay, 'utf8') : hay;
    const found = new Map<Needle, number>();
    let hash = 0;
    for (let i = 0; i < bytes.length; i += 1) {
      if (i >= windowBytes) hash = (hash - Math.imul(this.leading, bytes[i - windowBytes]!)) | 0;
      hash = (Math.imul(hash, base) + bytes[i]!) | 0;
      if (i < windowBytes - 1) continue;
      const bit = hash >>> (32 - filterBits);
      if ((this.filter[bit >> 3]! & (1 << (bit & 7))) === 0) continue;
      const at = i - windowBytes + 1;
      for (const needle of this.byHash.get(hash) ?? []) {
        if (!found.has(needle) && bytes.subarray(at, at + needle.bytes.length).equals(needle.bytes)) found.set(needle, at);
      }
    }
    return [...found].map(([{ what, form, bytes: { length } }, at]) => {
      const [before, itself, after] = [bytes.subarray(Math.max(0, at - around), at), bytes.subarray(at, at + length), bytes.subarray(at + length, at + length + around)].map((part) => part.toString('latin1')) as [string, string, string];
      return { what, form, around: before + itself + after, word: /\w*$/.exec(before)![0] + itself + /^\w*/.exec(after)![0] };
    });
  }
}

/** A text in the ways it might have been written by accident. */
function disguises(text: string): Map<string, string> {
  const bytes = Buffer.from(text, 'utf8');
  const hex = bytes.toString('hex');
  const forms = new Map([
    ['plain', text],
    ['JSON', JSON.stringify(text).slice(1, -1)],
    ['JSON, ASCII only', JSON.stringify(text).slice(1, -1).replace(/[\u0080-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)],
    ['percent', encodeURIComponent(text)],
    ['form', new URLSearchParams({ x: text }).toString().slice(2)],
    ['percent, every byte', hex.replace(/../g, '%$&')],
    ['percent, every byte, capitals', hex.toUpperCase().replace(/../g, '%$&')],
    ['hex', hex],
    ['hex, capitals', hex.toUpperCase()],
    ['bytes as escapes', hex.replace(/../g, '\\x$&')],
    ['one by one', Array.from(text).join(' ')],
    ['a list', Array.from(text).join(',')],
    ['a JSON list', Array.from(text).map((character) => JSON.stringify(character)).join(',')],
    ['backwards', Array.from(text).reverse().join('')],
  ]);
  // Within a longer text that was encoded as a whole it depends on where it stood there; its edges mix with the neighbours.
  for (const before of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64').replace(/=+$/, '');
    const from = Math.ceil((before * 8) / 6);
    const inner = whole.slice(from, Math.floor(((before + bytes.length) * 8) / 6));
    forms.set(`base64, ${before} bytes in`, inner);
    forms.set(`base64url, ${before} bytes in`, inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  // The same text under two names is one needle.
  return new Map([...new Map([...forms].map(([form, disguised]) => [disguised, form] as const).reverse())].map(([disguised, form]) => [form, disguised]));
}
