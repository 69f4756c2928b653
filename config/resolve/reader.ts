import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { readPrivateKey, readPublicKey, type KeyOutcome } from '../keys.js';
import type { Problem } from '../problems.js';
import type { Salvaged } from '../salvage.js';
import { Secret } from '../secret.js';
import type { PrivateKey } from '../types.js';

const MAX_FILE_BYTES = 65_536;

/** A key pair that the configuration names, by the SHA-256 of its public half (SubjectPublicKeyInfo), as hexadecimal digits. */
export interface SeenKey {
  readonly key: string;
  readonly fingerprint: string;
}

type GivenKey = Salvaged<{ type: 'RSA' | 'EC'; key?: string | undefined; keyFile?: string | undefined }>;

/** Reads what a configuration says stands elsewhere, each with its own complaint when that fails. */
export class SecretReader {
  readonly problems: Problem[] = [];
  /** Full names of all files that were asked for. */
  readonly files = new Set<string>();
  readonly keys: SeenKey[] = [];

  constructor(private readonly baseDir: string) {}

  /** An inline value or the content of a file, without the line's end; undefined, and a problem unless both are absent. */
  text(inline: string | undefined, file: string | undefined, fileKey: string): string | undefined {
    if (inline !== undefined) return inline;
    if (file === undefined) return undefined;
    // The name is not repeated in a problem: someone may have put the secret itself there.
    const full = path.resolve(this.baseDir, file);
    this.files.add(full);
    try {
      const { size } = statSync(full);
      if (size > MAX_FILE_BYTES) return this.complain(fileKey, `names a file of ${size} bytes`, `Name a file of at most ${MAX_FILE_BYTES} bytes`);
      const content = readFileSync(full, 'utf8').replace(/\r?\n$/, '');
      return content === '' ? this.complain(fileKey, 'names an empty file', 'Write the value into it') : content;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      return this.complain(fileKey, `names a file that cannot be read (${code})`, 'Name an existing file that the gateway may read; relative names start at the configuration file');
    }
  }

  /** A secret of at least so many characters, inline or in a file. The schema has looked at inline ones. */
  longSecret(inline: string | undefined, file: string | undefined, fileKey: string, least: number): Secret | undefined {
    const text = this.text(inline, file, fileKey);
    if (text === undefined) return undefined;
    if (text.length >= least) return new Secret(text);
    return this.complain(fileKey, `names a file of ${text.length} characters`, `Write at least ${least} random ones into it: \`openssl rand -hex 32\``);
  }

  /** A private key of ours; undefined, and a problem unless it is absent. */
  privateKey(given: GivenKey | undefined, at: string): PrivateKey | undefined {
    const key = this.#key(given, at, readPrivateKey, createPublicKey);
    return key && given?.type && { type: given.type, key };
  }

  /** Someone else's public key. */
  publicKey(given: GivenKey | undefined, at: string): KeyObject | undefined {
    return this.#key(given, at, readPublicKey, (key) => key);
  }

  complain(key: string, fault: string, fix: string): undefined {
    this.problems.push({ key, fault, fix });
    return undefined;
  }

  #key(given: GivenKey | undefined, at: string, read: (pem: string, type: 'RSA' | 'EC') => KeyOutcome, publicHalf: (key: KeyObject) => KeyObject): KeyObject | undefined {
    if (given?.type === undefined) return undefined;
    const key = `${at}.${given.key === undefined ? 'keyFile' : 'key'}`;
    const pem = this.text(given.key, given.keyFile, key);
    if (pem === undefined) return undefined;
    const outcome = read(pem, given.type);
    if (!('key' in outcome)) return this.complain(key, outcome.fault, outcome.fix);
    const spki = publicHalf(outcome.key).export({ type: 'spki', format: 'der' });
    this.keys.push({ key, fingerprint: createHash('sha256').update(spki).digest('hex') });
    return outcome.key;
  }
}
