/**
 * Tones described by text, as `tone_stream://` names them: `%(on ms, off ms, frequency[, frequency…])`, keys
 * (`0-9 * # A-D`), `v=` level in dB, `d=` and `w=` length and pause of keys, `l=`/`L=` repetitions, and `;loops=` at the
 * end for the whole (-1: for ever).
 */
import { SAMPLE_RATE_HZ } from '../rtp/g711.js';

/** One stretch of tone, or of silence when there is no frequency. */
export interface Segment {
  samples: number;
  frequenciesHz: readonly number[];
  /** Of each frequency. */
  amplitude: number;
}

export interface TonePlan {
  segments: readonly Segment[];
  /** How often the segments are played; Infinity: for ever. */
  loops: number;
}

const MAX_SEGMENTS = 1000;
const MAX_SEGMENT_MS = 24 * 3600 * 1000;
const MAX_FREQUENCIES = 18;
const DEFAULT_LEVEL_DB = -7;
const DEFAULT_KEY_MS = 100;
const DEFAULT_KEY_PAUSE_MS = 100;
/** Largest sine a 16-bit line can carry is +3.14 dBm0; a tone of 0 dB is 6.16 dB below twice that. */
const FULL_SCALE = 32767 * Math.SQRT2;
const FULL_SCALE_DB = 6.16;

const ROWS_HZ = [697, 770, 852, 941];
const COLUMNS_HZ = [1209, 1336, 1477, 1633];
const KEYS = ['123A', '456B', '789C', '*0#D'];

const amplitudeOf = (levelDb: number): number => 10 ** ((levelDb - FULL_SCALE_DB) / 20) * FULL_SCALE;
const samplesOf = (ms: number): number => Math.round((Math.min(MAX_SEGMENT_MS, Math.max(0, ms)) * SAMPLE_RATE_HZ) / 1000);

/** The two frequencies of a key (Q.23); undefined when it is none. */
export function keyFrequencies(key: string): readonly [number, number] | undefined {
  for (let row = 0; row < 4; row++) {
    const column = KEYS[row]!.indexOf(key.toUpperCase());
    if (key.length === 1 && column >= 0) return [ROWS_HZ[row]!, COLUMNS_HZ[column]!];
  }
  return undefined;
}

/** Reads the part after `tone_stream://`; undefined when nothing in it makes a sound or a pause. */
export function parseToneStream(text: string): TonePlan | undefined {
  let loops = 1;
  const body = text.replace(/;loops=(-?\d+)\s*$/, (_, count: string) => {
    loops = Number(count) < 0 ? Infinity : Math.max(1, Number(count));
    return '';
  });
  const segments: Segment[] = [];
  let levelDb = DEFAULT_LEVEL_DB;
  let keyMs = DEFAULT_KEY_MS;
  let pauseMs = DEFAULT_KEY_PAUSE_MS;
  const add = (onMs: number, offMs: number, frequenciesHz: readonly number[]): void => {
    if (segments.length >= MAX_SEGMENTS) return;
    if (onMs > 0) segments.push({ samples: samplesOf(onMs), frequenciesHz, amplitude: amplitudeOf(levelDb) / Math.max(1, frequenciesHz.length > 2 ? frequenciesHz.length / 2 : 1) });
    if (offMs > 0) segments.push({ samples: samplesOf(offMs), frequenciesHz: [], amplitude: 0 });
  };
  for (const part of body.split(';').map((piece) => piece.trim())) {
    const setting = /^([a-zA-Z])\s*=\s*(-?\d+(?:\.\d+)?)$/.exec(part);
    if (setting) {
      const value = Number(setting[2]);
      if (setting[1] === 'v') levelDb = Math.min(0, Math.max(-60, value));
      else if (setting[1] === 'd') keyMs = value;
      else if (setting[1] === 'w') pauseMs = value;
      else if (setting[1] === 'l' || setting[1] === 'L') loops = Math.max(1, value);
      continue;
    }
    for (const piece of part.matchAll(/%\(([^)]*)\)|([0-9*#A-Da-d])/g)) {
      if (piece[2] !== undefined) {
        add(keyMs, pauseMs, keyFrequencies(piece[2])!);
        continue;
      }
      const [on, off, ...frequencies] = piece[1]!.split(',').map(Number);
      const valid = frequencies.filter((hz) => hz > 0 && hz < SAMPLE_RATE_HZ / 2).slice(0, MAX_FREQUENCIES);
      if (on !== undefined && on >= 0) add(on, off !== undefined && off > 0 ? off : 0, valid);
    }
  }
  const total = segments.reduce((sum, segment) => sum + segment.samples, 0);
  return total > 0 ? { segments, loops } : undefined;
}
