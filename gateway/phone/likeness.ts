/** Whether a recording holds a sound that is known: by comparing the two, as whoever listens would. */

/** A tenth of a second of speech, at 8 kHz, is like no other. */
const pieceSamples = 800;
/** Correlation from which two pieces are the same one; G.711 costs less than a hundredth. */
const same = 0.95;

/** Samples that are compared before asking whether the rest can still decide. */
const stepSamples = 40;

/** The loudest piece of each of so many equal parts of a sound. */
export function loudestPieces(sound: Int16Array, parts: number): Int16Array[] {
  const part = Math.floor(sound.length / parts);
  return Array.from({ length: parts }, (_, index) => {
    const starts = Array.from({ length: Math.max(1, Math.floor((part - pieceSamples) / 100)) }, (_start, i) => index * part + 100 * i);
    const pieces = starts.map((start) => sound.subarray(start, start + pieceSamples));
    return pieces.reduce((loudest, piece) => (energy(piece) > energy(loudest) ? piece : loudest));
  });
}

/** Where a piece begins in what was heard, in samples; -1 when it is not there. */
export function findSound(heard: Int16Array, piece: Int16Array): number {
  const ofPiece = energyUpTo(piece);
  const ofHeard = energyUpTo(heard);
  const wanted = ofPiece[piece.length]!;
  for (let start = 0; start + piece.length <= heard.length; start++) {
    const end = start + piece.length;
    const there = ofHeard[end]! - ofHeard[start]!;
    // Only where it is about as loud is it worth comparing.
    if (there <= wanted / 2 || there >= wanted * 2) continue;
    const least = same * Math.sqrt(wanted * there);
    let product = 0;
    for (let i = 0; i < piece.length; ) {
      for (const until = Math.min(i + stepSamples, piece.length); i < until; i++) product += piece[i]! * heard[start + i]!;
      // However alike the rest is (Cauchy-Schwarz): here most places turn out to be others after a few steps.
      if (product + Math.sqrt((wanted - ofPiece[i]!) * (ofHeard[end]! - ofHeard[start + i]!)) < least) break;
    }
    if (product > least) return start;
  }
  return -1;
}

/** The energy of the first n samples, for every n. */
function energyUpTo(samples: Int16Array): Float64Array {
  const sums = new Float64Array(samples.length + 1);
  for (let i = 0; i < samples.length; i++) sums[i + 1] = sums[i]! + samples[i]! * samples[i]!;
  return sums;
}

function energy(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}
