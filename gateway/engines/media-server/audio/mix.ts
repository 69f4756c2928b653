/**
 * What several people say at once, as one source. What each says is kept until the beat that sends it: packets come when
 * they like. One that comes late once stays late by as much, so each speaker gets the delay that their own line needs.
 */

/** More than this of one speaker is too late for anybody, in samples of 8 kHz: 100 ms. */
const MAX_BEHIND_SAMPLES = 800;

/** What one speaker has said and nobody has sent yet. */
class Inlet {
  private readonly samples = new Int16Array(MAX_BEHIND_SAMPLES);
  private start = 0;
  private length = 0;

  write(said: Int16Array): void {
    const news = said.length > MAX_BEHIND_SAMPLES ? said.subarray(said.length - MAX_BEHIND_SAMPLES) : said;
    const tooMuch = this.length + news.length - MAX_BEHIND_SAMPLES;
    if (tooMuch > 0) this.drop(tooMuch);
    for (let i = 0; i < news.length; i++) this.samples[(this.start + this.length + i) % MAX_BEHIND_SAMPLES] = news[i]!;
    this.length += news.length;
  }

  /** Adds the oldest of it to `out`; what does not fit 16 bits is cut off, as a telephone does with who shouts. */
  addTo(out: Int16Array): void {
    const count = Math.min(this.length, out.length);
    for (let i = 0; i < count; i++) {
      const sum = out[i]! + this.samples[(this.start + i) % MAX_BEHIND_SAMPLES]!;
      out[i] = sum > 32_767 ? 32_767 : sum < -32_768 ? -32_768 : sum;
    }
    this.drop(count);
  }

  private drop(count: number): void {
    this.start = (this.start + count) % MAX_BEHIND_SAMPLES;
    this.length -= count;
  }
}

/** Fills whole frames for ever: with silence while nobody says anything. */
export class MixedSource<Speaker> {
  private readonly inlets = new Map<Speaker, Inlet>();

  hear(speaker: Speaker, said: Int16Array): void {
    let inlet = this.inlets.get(speaker);
    if (!inlet) this.inlets.set(speaker, (inlet = new Inlet()));
    inlet.write(said);
  }

  /** Nothing more comes of this speaker. */
  forget(speaker: Speaker): void {
    this.inlets.delete(speaker);
  }

  read(out: Int16Array): number {
    out.fill(0);
    for (const inlet of this.inlets.values()) inlet.addTo(out);
    return out.length;
  }
}
