/**
 * Sample rate conversion by a polyphase windowed sinc: everything above the narrower of the two bands is filtered out, so
 * that a 16 kHz prompt does not hiss with aliases on an 8 kHz line.
 */
const ZERO_CROSSINGS = 24;
/** The pass band ends here, as a part of the narrower Nyquist frequency. */
const PASS = 0.93;
/** Ratios like 44100:8000 have 80 phases; odder ones are not worth a table. */
const MAX_PHASES = 1024;
/** Outputs computed before the event loop gets its turn. */
const SLICE = 4000;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Blackman-windowed sinc taps of every phase; each phase sums to 1. */
function filterBank(fromHz: number, phases: number, toHz: number): { taps: Float32Array[]; half: number } {
  const cutoff = Math.min(1, toHz / fromHz) * PASS;
  const half = Math.ceil(ZERO_CROSSINGS / Math.min(1, toHz / fromHz));
  const taps: Float32Array[] = [];
  for (let phase = 0; phase < phases; phase++) {
    const bank = new Float32Array(2 * half);
    let sum = 0;
    for (let k = 0; k < 2 * half; k++) {
      const x = k - half + 1 - phase / phases;
      const window = Math.abs(x) >= half ? 0 : 0.42 + 0.5 * Math.cos((Math.PI * x) / half) + 0.08 * Math.cos((2 * Math.PI * x) / half);
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x * cutoff) / (Math.PI * x * cutoff);
      bank[k] = sinc * window;
      sum += bank[k]!;
    }
    for (let k = 0; k < bank.length; k++) bank[k] = bank[k]! / sum;
    taps.push(bank);
  }
  return { taps, half };
}

/**
 * Converts 16-bit mono samples. Long conversions give way to the event loop now and then.
 * @throws RangeError for rates that are no sound rate or have no small ratio
 */
export async function resample(samples: Int16Array, fromHz: number, toHz: number): Promise<Int16Array> {
  if (fromHz === toHz) return samples;
  const divisor = gcd(fromHz, toHz);
  const phases = toHz / divisor;
  const step = fromHz / divisor;
  if (!(fromHz >= 4000 && fromHz <= 192_000) || phases > MAX_PHASES) throw new RangeError(`cannot convert ${fromHz} Hz to ${toHz} Hz`);
  const { taps, half } = filterBank(fromHz, phases, toHz);
  const out = new Int16Array(Math.floor((samples.length * toHz) / fromHz));
  for (let begin = 0; begin < out.length; begin += SLICE) {
    if (begin > 0) await new Promise((resolve) => setImmediate(resolve));
    const end = Math.min(out.length, begin + SLICE);
    for (let i = begin; i < end; i++) {
      const position = i * step;
      const bank = taps[position % phases]!;
      const first = Math.floor(position / phases) - half + 1;
      let sum = 0;
      const from = Math.max(0, -first);
      const to = Math.min(bank.length, samples.length - first);
      for (let k = from; k < to; k++) sum += bank[k]! * samples[first + k]!;
      out[i] = Math.max(-32768, Math.min(32767, Math.round(sum)));
    }
  }
  return out;
}
