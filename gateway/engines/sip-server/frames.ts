/** The peer broke the framing; the connection cannot be used any longer. */
export class FrameError extends Error {
  readonly code = 'bad_frame';
}

const HASH = 0x23;
const MAX_LENGTH_DIGITS = 7;

/**
 * Cuts drachtio's `<decimal length>#<bytes>` frames out of a byte stream. The length counts bytes.
 */
export class Deframer {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private needed = 1;

  constructor(
    private readonly maxFrameBytes: number,
    private readonly onFrame: (frame: Buffer) => void,
  ) {}

  /** Throws {@link FrameError} on a length that is not a number, is zero, or is more than allowed. */
  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes < this.needed) return;
    let rest = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    this.needed = 1;
    while (rest.length > 0) {
      const hash = rest.subarray(0, MAX_LENGTH_DIGITS + 1).indexOf(HASH);
      const digits = rest.toString('latin1', 0, hash < 0 ? Math.min(rest.length, MAX_LENGTH_DIGITS + 1) : hash);
      if (!/^\d+$/.test(digits) || (hash < 0 && digits.length > MAX_LENGTH_DIGITS)) throw new FrameError('a frame must begin with its length');
      if (hash < 0) break;
      const length = Number(digits);
      if (length === 0 || length > this.maxFrameBytes) throw new FrameError('frame length out of range');
      const end = hash + 1 + length;
      if (rest.length < end) {
        this.needed = end;
        break;
      }
      const frame = rest.subarray(hash + 1, end);
      rest = rest.subarray(end);
      this.onFrame(frame);
    }
    this.chunks = rest.length > 0 ? [rest] : [];
    this.bytes = rest.length;
  }
}

/** One frame, ready to be written. `sip` follows the meta line after CRLF. */
export function makeFrame(meta: string, sip?: Buffer): Buffer {
  const length = Buffer.byteLength(meta) + (sip === undefined ? 0 : sip.length + 2);
  const head = Buffer.from(`${length}#${meta}${sip === undefined ? '' : '\r\n'}`);
  return sip === undefined ? head : Buffer.concat([head, sip]);
}
