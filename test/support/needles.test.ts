/** The search that the privacy suites rely on finds what it is to find. */
import { describe, expect, it } from 'vitest';
import { Needles } from './needles.js';

const noise = (length: number): string => Array.from({ length }, (_, i) => String.fromCharCode(33 + ((i * 7919) % 90))).join('');
const text = 'Ottokar Vrzhášký & zn.';

describe('a search for many texts', () => {
  const needles = new Needles();
  for (let i = 0; i < 3_000; i += 1) needles.add(`other ${i}`, `somebody else ${i * 7_368_787}`);
  needles.add('name', text);
  needles.add('code', '4711081542');
  const found = (hay: string | Buffer): string[] => needles.findIn(hay).map(({ what }) => what);

  it.each<[string, (secret: string) => string]>([
    ['as it is', (secret) => secret],
    ['as JSON', (secret) => JSON.stringify({ a: [secret] })],
    ['as ASCII JSON', (secret) => JSON.stringify(secret).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)],
    ['in an address', (secret) => `https://x.example/?a=${encodeURIComponent(secret)}&b=1`],
    ['in a form', (secret) => new URLSearchParams({ a: 'x y', b: secret, c: '' }).toString()],
    ['as hex', (secret) => Buffer.from(`{"a":"${secret}"}`).toString('hex')],
    ['as hex in capitals', (secret) => Buffer.from(secret).toString('hex').toUpperCase()],
    ['as escaped bytes', (secret) => [...Buffer.from(secret)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')],
    ['one by one', (secret) => Array.from(secret).join(' ')],
    ['as a list', (secret) => JSON.stringify(Array.from(secret))],
    ['backwards', (secret) => Array.from(secret).reverse().join('')],
    ...['', 'x', 'xy', 'xyz'].flatMap((before): [string, (secret: string) => string][] => [
      [`in base64, after ${before.length} bytes`, (secret) => Buffer.from(`${before}${secret}and more`).toString('base64')],
      [`in base64url, after ${before.length} bytes`, (secret) => Buffer.from(`${before}${secret}`).toString('base64url')],
    ]),
  ])('finds one %s, and what it is', (_how, write) => {
    for (const [what, secret] of [['name', text], ['code', '4711081542']] as const) {
      for (const hay of [write(secret), `${noise(1_000)}${write(secret)}`, `${write(secret)}${noise(500)}`]) expect(found(hay)).toContain(what);
      expect(found(Buffer.from(write(secret)))).toEqual([what]);
    }
  });

  it('finds nothing where nothing is', () => {
    expect(found(noise(200_000))).toEqual([]);
    expect(found('somebody else 12, Ottokar, 4711081541, 471108154')).toEqual([]);
  });

  it('tells what stands around it', () => {
    expect(needles.findIn(`before ${text} after`)).toMatchObject([{ what: 'name', form: 'plain', around: expect.stringMatching(/^before .* after$/) as unknown }]);
  });

  it('does not look for what would be found by chance', () => {
    expect(() => new Needles().add('word', 'appel')).toThrow(RangeError);
  });
});
