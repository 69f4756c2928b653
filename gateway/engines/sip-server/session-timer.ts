/** What a Session-Expires header says (RFC 4028 §4). */
export interface SessionExpires {
  readonly seconds: number;
  readonly refresher: 'uac' | 'uas' | undefined;
}

/** Shortest interval accepted, seconds (RFC 4028 §4: Min-SE never below 90). */
export const MIN_SESSION_SECONDS = 90;

/** Parses Session-Expires; undefined when missing or malformed. */
export function parseSessionExpires(value: string | undefined): SessionExpires | undefined {
  const match = /^(\d{1,9})\s*(?:;(.*))?$/.exec(value ?? '');
  if (match === null) return undefined;
  const refresher = /(?:^|;)\s*refresher\s*=\s*(uac|uas)\b/i.exec(match[2] ?? '')?.[1]?.toLowerCase();
  return { seconds: Number(match[1]), refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined };
}

/** Keeps one session alive, or notices that the peer does not (RFC 4028 §10). */
export class SessionTimer {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly seconds: number,
    private readonly weRefresh: boolean,
    /** Time to refresh, or that nobody did. */
    private readonly due: (what: 'refresh' | 'expired') => void,
  ) {}

  /** Starts anew; to be called after every session refresh, whoever sent it. */
  restart(): void {
    this.stop();
    const beforeEnd = Math.min(32, this.seconds / 3);
    const waitSeconds = Math.max(1, this.weRefresh ? this.seconds / 2 : this.seconds - beforeEnd);
    this.timer = setTimeout(() => this.due(this.weRefresh ? 'refresh' : 'expired'), waitSeconds * 1000);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
