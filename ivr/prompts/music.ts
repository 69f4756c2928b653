import wavefile from 'wavefile';

const sampleRate = 8000;
const barSeconds = 3;
const notesPerBar = 6;
/** Quieter than the voice (-18 dBFS), so that a sentence stands out and waiting is bearable. */
const targetRmsDbfs = -27;
const pauseSeconds = 0.8;

/** Eight bars of slow broken chords, as MIDI note numbers; made for this project. */
const bars: ReadonlyArray<readonly number[]> = [
  [60, 67, 72, 76, 72, 67],
  [57, 64, 72, 76, 72, 64],
  [65, 69, 72, 77, 72, 69],
  [62, 67, 71, 74, 71, 67],
  [64, 67, 72, 79, 72, 67],
  [57, 64, 69, 76, 69, 64],
  [62, 65, 69, 74, 69, 65],
  [67, 71, 74, 79, 74, 71],
];

/**
 * The waiting music: soft plucked notes over a slow chord, 24 s, 8 kHz mono 16 bit. The tails of the last notes ring on
 * in the beginning, so that the loop has no seam.
 * @returns the bytes of a WAV file, the same every time
 */
export function waitingMusic(): Uint8Array {
  const length = bars.length * barSeconds * sampleRate;
  const mix = new Float64Array(length);
  for (const [bar, notes] of bars.entries()) {
    for (const [beat, note] of notes.entries()) {
      const start = Math.round((bar + beat / notesPerBar) * barSeconds * sampleRate);
      addTone(mix, start, note, beat === 0 ? 1 : 0.65, 1.6, 0.012);
      if (beat % 2 === 0) addTone(mix, start, note, 0.16, 3.5, 0.5);
    }
  }
  const rms = Math.sqrt(mix.reduce((sum, sample) => sum + sample * sample, 0) / length);
  const gain = (10 ** (targetRmsDbfs / 20) * 32767) / rms;
  const samples = Int16Array.from(mix, (sample) => Math.max(-32767, Math.min(32767, Math.round(sample * gain))));
  return wavOf(samples);
}

/** Long enough to write three digits down, short enough not to seem the end. @returns the bytes of a WAV file of silence */
export function pause(): Uint8Array {
  return wavOf(new Int16Array(pauseSeconds * sampleRate));
}

function wavOf(samples: Int16Array): Uint8Array {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, sampleRate, '16', samples);
  return wav.toBuffer();
}

/** Adds one note, its overtones and its decay, wrapping round the end of the loop. */
function addTone(mix: Float64Array, start: number, midiNote: number, level: number, seconds: number, attackSeconds: number): void {
  const hertz = 440 * 2 ** ((midiNote - 69) / 12);
  const overtones = [1, 0.35, 0.12].filter((_level, i) => hertz * (i + 1) < 3300);
  const samples = Math.round(seconds * sampleRate);
  for (let i = 0; i < samples; i += 1) {
    const t = i / sampleRate;
    const fadeOut = Math.min(1, (samples - i) / (0.08 * sampleRate));
    const envelope = Math.min(1, t / attackSeconds) * Math.exp((-3.2 * t) / seconds) * fadeOut;
    let sample = 0;
    for (const [n, overtone] of overtones.entries()) sample += overtone * Math.sin(2 * Math.PI * hertz * (n + 1) * t);
    const at = (start + i) % mix.length;
    mix[at] = (mix[at] ?? 0) + level * envelope * sample;
  }
}
