/** Whose packets may count on a session: what its owner says about that, in a form that is quick to ask. */
import { BlockList, isIPv4 } from 'node:net';

export interface SourceRule {
  /**
   * `described`: only packets from the address that the peer's session description names. `learn`: also those of a source
   * in `networks`, when nothing comes from there (a peer behind NAT).
   */
  readonly mode: 'described' | 'learn';
  readonly networks?: Networks;
  /** Nothing outside of `networks` counts, nor is anything sent there, whatever a description names. */
  readonly restricted?: boolean;
}

export const DESCRIBED: SourceRule = { mode: 'described' };

/** Enough for a carrier; each costs a comparison for a source that was not asked about just before. */
export const MAX_NETWORKS = 64;
const MAX_TEXT = 4096;

/** A rule that cannot be read must not become a weaker one. */
export class SourceRuleError extends Error {
  override readonly name = 'SourceRuleError';
  readonly code = 'source_rule_malformed';
}

/** IPv4 addresses and ranges. */
export class Networks {
  private readonly list = new BlockList();

  /** @param ranges each `a.b.c.d` or `a.b.c.d/n`. @throws SourceRuleError */
  constructor(ranges: readonly string[]) {
    if (ranges.length > MAX_NETWORKS) throw new SourceRuleError(`more than ${MAX_NETWORKS} networks`);
    for (const range of ranges) {
      const match = /^(\d{1,3}(?:\.\d{1,3}){3})(?:\/(\d{1,2}))?$/.exec(range);
      const bits = Number(match?.[2] ?? 32);
      if (!match || !isIPv4(match[1]!) || bits > 32) throw new SourceRuleError('a network is no IPv4 address or range');
      this.list.addSubnet(match[1]!, bits, 'ipv4');
    }
  }

  has(address: string): boolean {
    return this.list.check(address, 'ipv4');
  }
}

/** Header values of a request, undefined where there is none. */
export interface SourceRuleText {
  source: string | undefined;
  networks: string | undefined;
  restricted: string | undefined;
}

/** Reads the rule that came with a call: without one, what the description names counts. @throws SourceRuleError */
export function readSourceRule({ source, networks, restricted }: SourceRuleText): SourceRule {
  const mode = source?.trim().toLowerCase() ?? 'described';
  if (mode !== 'described' && mode !== 'learn') throw new SourceRuleError('no such source of media');
  const only = restricted?.trim().toLowerCase() ?? 'false';
  if (only !== 'true' && only !== 'false') throw new SourceRuleError('restricted is neither true nor false');
  if (networks === undefined) {
    if (only === 'true') throw new SourceRuleError('restricted to no networks');
    return { mode };
  }
  if (networks.length > MAX_TEXT) throw new SourceRuleError('too many networks');
  const ranges = networks.split(',', MAX_NETWORKS + 1).map((range) => range.trim());
  return { mode, networks: new Networks(ranges), restricted: only === 'true' };
}
