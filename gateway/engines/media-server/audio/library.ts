/**
 * Opens what can be played by its name: files (absolute, or relative to the sounds path), `silence_stream://`,
 * `tone_stream://` and `file_string://` lists. Decoded files are kept in a cache bounded by size, least used first out.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { SAMPLE_RATE_HZ } from '../rtp/g711.js';
import { ChainSource, SampleSource, SilenceSource, ToneStreamSource, type PlayableSource } from './sources.js';
import { parseToneStream } from './tone-stream.js';
import { readWav } from './wav.js';

const MAX_FILE_BYTES = 64 * 1024 * 1024;
const CACHE_BYTES = 64 * 1024 * 1024;
const MAX_CHAIN = 64;

interface CacheEntry {
  readonly version: string;
  readonly samples: Promise<Int16Array>;
  bytes: number;
}

export class SoundLibrary {
  private readonly cache = new Map<string, CacheEntry>();
  private cachedBytes = 0;

  /** @param soundsPath where relative names begin; the working directory when left out */
  constructor(private readonly soundsPath: string = '.') {}

  /** What is made and not read, without waiting; undefined for everything else. */
  openStream(name: string): PlayableSource | undefined {
    if (name.startsWith('silence_stream://')) return openSilence(name.slice('silence_stream://'.length));
    if (!name.startsWith('tone_stream://')) return undefined;
    const plan = parseToneStream(name.slice('tone_stream://'.length));
    return plan && new ToneStreamSource(plan);
  }

  /** Undefined: there is nothing to play by that name. `prefix` replaces the sounds path. */
  async open(fullName: string, prefix?: string): Promise<PlayableSource | undefined> {
    const name = fullName.replace(/^\{[^}]*\}/, ''); // parameters of players this engine does not have
    const stream = this.openStream(name);
    if (stream) return stream;
    if (name.startsWith('file_string://')) {
      const names = name.slice('file_string://'.length).split('!').slice(0, MAX_CHAIN);
      const sources = await Promise.all(names.map((each) => this.open(each, prefix)));
      const found = sources.filter((source) => source !== undefined);
      return found.length > 0 ? new ChainSource(found) : undefined;
    }
    if (/^[a-z_]+:\/\//.test(name) || name.includes('\0')) return undefined;
    const at = /^(.*)@@(\d+)$/.exec(name);
    const file = path.resolve(prefix ?? this.soundsPath, at ? at[1]! : name);
    const samples = await this.load(file);
    return samples && new SampleSource(samples, at ? Math.min(samples.length, Number(at[2])) : 0);
  }

  private async load(file: string): Promise<Int16Array | undefined> {
    let version: string;
    try {
      const info = await stat(file);
      if (!info.isFile() || info.size > MAX_FILE_BYTES) return undefined;
      version = `${info.mtimeMs}/${info.size}`;
    } catch {
      return undefined;
    }
    let entry = this.cache.get(file);
    if (entry) this.forget(file, entry);
    if (entry?.version !== version) entry = { version, samples: readFile(file).then(readWav), bytes: 0 };
    this.keep(file, entry);
    try {
      const samples = await entry.samples;
      if (this.cache.get(file) === entry && entry.bytes === 0) {
        entry.bytes = samples.byteLength;
        this.cachedBytes += samples.byteLength;
        this.shrink();
      }
      return samples;
    } catch {
      if (this.cache.get(file) === entry) this.forget(file, entry);
      return undefined;
    }
  }

  private keep(file: string, entry: CacheEntry): void {
    this.cache.set(file, entry);
    this.cachedBytes += entry.bytes;
  }

  private forget(file: string, entry: CacheEntry): void {
    this.cache.delete(file);
    this.cachedBytes -= entry.bytes;
  }

  private shrink(): void {
    for (const [file, entry] of this.cache) {
      if (this.cachedBytes <= CACHE_BYTES) return;
      this.forget(file, entry);
    }
  }
}

/** `ms[,noise]`; 0 or less: until stopped. The noise level is not made. */
function openSilence(text: string): PlayableSource | undefined {
  const ms = Number(/^-?\d+/.exec(text)?.[0]);
  if (Number.isNaN(ms)) return undefined;
  return new SilenceSource(ms <= 0 ? Infinity : Math.round((ms * SAMPLE_RATE_HZ) / 1000));
}
