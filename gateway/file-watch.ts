/** The configuration and the files it names, which change while the gateway runs: they are looked at, and read again when one changed. */
import { unwatchFile, watchFile } from 'node:fs';

/** Looking at the files is cheap, and unlike notifications it works on mounted volumes and swapped links. */
const lookEveryMs = 2_000;
/** Files that change together (a key and the configuration that names it) are read once, after the last of them. */
const settleMs = 500;

export class FileWatch {
  private watched: ReadonlySet<string> = new Set();
  private settling: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly onChange = () => {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.changed(), settleMs);
  };

  /** @param changed called when a watched file's content may be another one */
  constructor(private readonly changed: () => void) {}

  /** Watches these files and no others from now on. One that was watched already goes on being so, or a change of this very moment would be its beginning. */
  watch(files: readonly string[]): void {
    if (this.closed) return;
    const now = new Set(files);
    for (const file of this.watched) if (!now.has(file)) unwatchFile(file, this.onChange);
    for (const file of now) if (!this.watched.has(file)) watchFile(file, { interval: lookEveryMs, persistent: false }, this.onChange);
    this.watched = now;
  }

  close(): void {
    this.watch([]);
    this.closed = true;
    clearTimeout(this.settling);
  }
}
