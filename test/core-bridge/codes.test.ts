import { expect, it } from 'vitest';
import { generateCode, hashCode } from '../../core-bridge/codes.js';

it('codes have the asked length and begin with 1 to 9', () => {
  for (const digits of [8, 10, 16]) expect(generateCode(digits)).toMatch(new RegExp(`^[1-9][0-9]{${digits - 1}}$`));
});

it('digits are evenly distributed', () => {
  const samples = 20_000;
  const first = new Array<number>(10).fill(0);
  const last = new Array<number>(10).fill(0);
  for (let i = 0; i < samples; i += 1) {
    const code = generateCode(10);
    first[Number(code[0])]! += 1;
    last[Number(code[9])]! += 1;
  }
  expect(first[0]).toBe(0);
  // Chi-square at 8 and 9 degrees of freedom stays under 40 but for one run in more than a hundred thousand.
  const chi = (counts: number[], expected: number): number => counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(chi(first.slice(1), samples / 9)).toBeLessThan(40);
  expect(chi(last, samples / 10)).toBeLessThan(40);
});

it('hashes depend on the key and hide the code', () => {
  expect(hashCode('1234567890', 'a')).not.toBe(hashCode('1234567890', 'b'));
  expect(hashCode('1234567890', 'a')).toBe(hashCode('1234567890', 'a'));
  expect(hashCode('1234567890', 'a')).toMatch(/^[\w-]{43}$/);
});
