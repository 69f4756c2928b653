/** Whether a recording holds a sound that is known: by comparing the two, as whoever listens would. */

/** A tenth of a second of speech, at 8 kHz, is like no other. */
const pieceSamples = 800;
/** Correlation from which two pieces are the same one; G.711 costs less than a hundredth. */
const same = 0.95;

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
  const wanted = energy(piece);
  let there = energy(heard.subarray(0, piece.length));
  for (let start = 0; start + piece.length <= heard.length; start++) {
    // Only where it is about as loud is it worth comparing.
    if (there > wanted / 2 && there < wanted * 2) {
      let product = 0;
      for (let i = 0; i < piece.length; i++) product += piece[i]! * heard[start + i]!;
      if (product > same * Math.sqrt(wanted * there)) return start;
    }
    const [left, came] = [heard[start]!, heard[start + piece.length] ?? 0];
    there += came * came - left * left;
  }
  return -1;
}

function energy(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}
