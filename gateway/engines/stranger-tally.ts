import type { StrangerRequests } from './spawn.js';

const TELL_EVERY_MS = 1_000;
/** Kinds of requests kept apart in that time; further ones are counted under the address `others`. */
const MOST_KINDS = 200;

/** Counts what the SIP server keeps out, and tells once a second: a flood must not become another one between processes. */
export class StrangerTally {
  private readonly kinds = new Map<string, { method: string; address: string; protocol: string; count: number }>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly tell: (requests: StrangerRequests[]) => void) {}

  note(method: string, { address, protocol }: { address: string; protocol: string }): void {
    const from = this.kinds.size < MOST_KINDS ? address : 'others';
    const key = `${method} ${from} ${protocol}`;
    const kind = this.kinds.get(key) ?? { method: method.slice(0, 32), address: from, protocol, count: 0 };
    kind.count += 1;
    this.kinds.set(key, kind);
    this.timer ??= setTimeout(() => this.flush(), TELL_EVERY_MS);
  }

  private flush(): void {
    this.timer = undefined;
    const requests = [...this.kinds.values()];
    this.kinds.clear();
    this.tell(requests);
  }

  close(): void {
    clearTimeout(this.timer);
  }
}
