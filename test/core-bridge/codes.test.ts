import { expect, it } from 'vitest';
import { generateCode, hasRightCheckDigit, hashCode } from '../../core-bridge/codes/index.js';

it('codes have the asked length, begin with 1 to 9 and carry the right check digit', () => {
  for (const digits of [8, 10, 16]) {
    const code = generateCode(digits);
    expect(code).toMatch(new RegExp(`^[1-9][0-9]{${digits - 1}}$`));
    expect(hasRightCheckDigit(code)).toBe(true);
  }
});

it('every digit is evenly distributed, the check digit too', () => {
  const samples = 20_000;
  const counts = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
  for (let i = 0; i < samples; i += 1) [...generateCode(10)].forEach((digit, place) => (counts[place]![Number(digit)]! += 1));
  expect(counts[0]![0]).toBe(0);
  // Chi-square at 8 and 9 degrees of freedom stays under 50 but for one run in a million.
  const chi = (places: number[]): number => places.reduce((sum, count) => sum + (count - samples / places.length) ** 2 / (samples / places.length), 0);
  expect(chi(counts[0]!.slice(1))).toBeLessThan(50);
  for (const place of counts.slice(1)) expect(chi(place)).toBeLessThan(50);
});

it('the check digit is Damm’s', () => {
  expect(hasRightCheckDigit('5724')).toBe(true);
  expect(hasRightCheckDigit('5727')).toBe(false);
});

it('every single wrong digit and every swap of neighbours shows', () => {
  for (let i = 0; i < 200; i += 1) {
    const code = generateCode(10 + (i % 7));
    for (let place = 0; place < code.length; place += 1) {
      for (const digit of '0123456789') {
        if (digit === code[place]) continue;
        expect(hasRightCheckDigit(code.slice(0, place) + digit + code.slice(place + 1))).toBe(false);
      }
      const [one, next] = [code[place], code[place + 1]];
      if (next === undefined || one === next) continue;
      expect(hasRightCheckDigit(code.slice(0, place) + next + one! + code.slice(place + 2))).toBe(false);
    }
  }
});

it('one in ten of all numbers has the right check digit', () => {
  let right = 0;
  for (let n = 10_000; n < 20_000; n += 1) if (hasRightCheckDigit(String(n))) right += 1;
  expect(right).toBe(1_000);
});

it('what is not a row of digits has none', () => {
  for (const text of ['', '0', '12a4', '5724 ', '５７２４']) expect(hasRightCheckDigit(text)).toBe(false);
});

it('hashes depend on the key and hide the code', () => {
  expect(hashCode('1234567890', 'a')).not.toBe(hashCode('1234567890', 'b'));
  expect(hashCode('1234567890', 'a')).toBe(hashCode('1234567890', 'a'));
  expect(hashCode('1234567890', 'a')).toMatch(/^[\w-]{43}$/);
});
