/**
 * G.711 (ITU-T) A-law and µ-law by table: one look-up per sample in every direction.
 * The tables are made once from the `alawmulaw` codec.
 */
import alawmulaw from 'alawmulaw';

// A CommonJS module whose exports Node cannot see by name.
const { alaw, mulaw } = alawmulaw;

/** The two audio codecs of this engine, by their names in SDP (RFC 3551 §6: static payload types 0 and 8). */
export type Codec = 'PCMU' | 'PCMA';

export const SAMPLE_RATE_HZ = 8000;
export const FRAME_MS = 20;
/** Samples (and G.711 bytes) of one 20 ms frame. */
export const FRAME_SAMPLES = 160;

/** RFC 3551 static payload types. */
export const STATIC_PAYLOAD_TYPE: Readonly<Record<Codec, number>> = { PCMU: 0, PCMA: 8 };

interface Tables {
  /** code → 16-bit sample */
  readonly decode: Int16Array;
  /** 16-bit sample as an unsigned index → code */
  readonly encode: Uint8Array;
}

function tablesOf(codec: typeof alaw): Tables {
  const decode = new Int16Array(256);
  const encode = new Uint8Array(65536);
  for (let code = 0; code < 256; code++) decode[code] = codec.decodeSample(code);
  for (let sample = -32768; sample < 32768; sample++) encode[sample & 0xffff] = codec.encodeSample(sample) & 0xff;
  return { decode, encode };
}

const TABLES: Readonly<Record<Codec, Tables>> = { PCMA: tablesOf(alaw), PCMU: tablesOf(mulaw) };

function transcodeTable(from: Codec, to: Codec): Uint8Array {
  const table = new Uint8Array(256);
  for (let code = 0; code < 256; code++) table[code] = TABLES[to].encode[TABLES[from].decode[code]! & 0xffff]!;
  return table;
}

const TRANSCODE = { PCMA: transcodeTable('PCMA', 'PCMU'), PCMU: transcodeTable('PCMU', 'PCMA') } as const;

/** The code of digital silence: what an idle line sounds like. */
export const SILENCE: Readonly<Record<Codec, number>> = { PCMA: 0xd5, PCMU: 0xff };

/** Encodes `count` 16-bit samples into `out` at `offset`. */
export function encode(codec: Codec, samples: Int16Array, count: number, out: Uint8Array, offset: number): void {
  const table = TABLES[codec].encode;
  for (let i = 0; i < count; i++) out[offset + i] = table[samples[i]! & 0xffff]!;
}

/** Decodes `count` codes of `payload` from `offset` into a new array of 16-bit samples. */
export function decode(codec: Codec, payload: Uint8Array, offset: number, count: number): Int16Array {
  const table = TABLES[codec].decode;
  const samples = new Int16Array(count);
  for (let i = 0; i < count; i++) samples[i] = table[payload[offset + i]!]!;
  return samples;
}

/** Rewrites `payload[start..end)` in place from one law to the other. */
export function transcode(from: Codec, payload: Uint8Array, start: number, end: number): void {
  const table = TRANSCODE[from];
  for (let i = start; i < end; i++) payload[i] = table[payload[i]!]!;
}
