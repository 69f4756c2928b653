import { describe, expect, it } from 'vitest';
import { SourceLatch } from '../../../gateway/engines/media-server/rtp/latch.js';
import { Networks, readSourceRule, type SourceRule } from '../../../gateway/engines/media-server/rtp/source-rule.js';

const PEER = '192.0.2.1';
const NAT = '198.51.100.7';
const STRANGER = '203.0.113.66';

/** A stream of packets, 20 ms apart. */
class Stream {
  private sequence = 100;
  constructor(private readonly latch: SourceLatch, private readonly address: string, private readonly port: number, private readonly ssrc = port) {}

  /** @returns the verdicts, each once and in order */
  send(count: number, step: { sequence?: number; ms?: number; ssrc?: () => number } = {}): string[] {
    const verdicts = new Set<string>();
    for (let n = 0; n < count; n++) {
      now += step.ms ?? 20;
      verdicts.add(this.latch.judge(this.address, this.port, step.ssrc?.() ?? this.ssrc, this.sequence & 0xffff, now));
      this.sequence += step.sequence ?? 1;
    }
    return [...verdicts];
  }
}

let now = 0;
const learn: SourceRule = { mode: 'learn', networks: new Networks([NAT, '198.51.100.64/28']) };
const fresh = (rule?: SourceRule) => {
  const latch = new SourceLatch(rule);
  latch.expect(PEER, 4000);
  return latch;
};

describe('described', () => {
  it('the described address and port count from the first packet, and settle the question', () => {
    const latch = fresh();
    expect(new Stream(latch, PEER, 4000).send(1)).toEqual(['accept']);
    expect(latch.isLocked).toBe(true);
    expect(new Stream(latch, PEER, 4002).send(500)).toEqual(['drop']);
  });

  it('a stranger is nothing, however long and steadily it sends, before the peer or after', () => {
    const latch = fresh();
    expect(latch.mayCome(STRANGER)).toBe(false);
    expect(new Stream(latch, STRANGER, 4000).send(2000)).toEqual(['drop']);
    expect(latch).toMatchObject({ address: PEER, port: 4000, isHeard: false });
    expect(new Stream(latch, PEER, 4000).send(1)).toEqual(['accept']);
    latch.expect(PEER, 4010);
    expect(new Stream(latch, STRANGER, 4010).send(2000)).toEqual(['drop']);
  });

  it('another port of the same address is learned by steady packets, of which none counts before', () => {
    const latch = fresh();
    const peer = new Stream(latch, PEER, 4444);
    expect(peer.send(4)).toEqual(['candidate']);
    expect(peer.send(1)).toEqual(['moved']);
    expect(peer.send(100)).toEqual(['accept']);
    expect(latch).toMatchObject({ address: PEER, port: 4444, isLocked: true });
    expect(new Stream(latch, PEER, 4446).send(500)).toEqual(['drop']);
  });

  it.each([
    ['of ever other streams', { ssrc: () => now }],
    ['that are the same again and again', { sequence: 0 }],
    ['that run backwards', { sequence: -1 }],
    ['with ever new numbers', { sequence: 1000 }],
    ['in one burst', { ms: 0 }],
    ['now and then', { ms: 250 }],
  ])('packets %s are not steady', (_what, step) => {
    const latch = fresh();
    expect(new Stream(latch, PEER, 4444).send(300, step)).toEqual(['candidate']);
    expect(latch.port).toBe(4000);
  });

  it('steady in spite of losses, of packets that come twice, and of a number that begins again at 0', () => {
    const latch = fresh();
    const verdicts = [65530, 65531, 65531, 65534, 65533, 1, 3].map((sequence) => latch.judge(PEER, 4444, 7, sequence, (now += 20)));
    expect(verdicts.at(-1)).toBe('moved');
  });

  it('who comes late at the described port is heard, whatever was learned from the same address', () => {
    const latch = fresh();
    const other = new Stream(latch, PEER, 4444);
    other.send(500);
    const caller = new Stream(latch, PEER, 4000);
    const verdicts = new Set<string>();
    for (let n = 0; n < 6; n++) {
      other.send(1, { ms: 0 });
      for (const verdict of caller.send(1)) verdicts.add(verdict);
    }
    expect([...verdicts]).toEqual(['candidate', 'moved', 'accept']);
    expect(other.send(500)).toEqual(['drop']);
  });

  it('does not follow the address before a re-INVITE, even when that was first heard after it', () => {
    const latch = fresh();
    latch.expect(PEER, 4010);
    // The old phone's first packets were under way when the new address was agreed, and may go on for long.
    expect(new Stream(latch, PEER, 4000).send(500)).toEqual(['drop']);
    expect(new Stream(latch, PEER, 4010).send(1)).toEqual(['accept']);
    expect(latch).toMatchObject({ address: PEER, port: 4010, isLocked: true });
    // And back again, when that is what was agreed.
    latch.expect(PEER, 4000);
    expect(new Stream(latch, PEER, 4000).send(1)).toEqual(['accept']);
  });

  it('nor any of the addresses before, when they changed several times, nor one that had been learned', () => {
    const latch = fresh();
    new Stream(latch, PEER, 4001).send(10);
    for (const port of [4010, 4020, 4030]) latch.expect(PEER, port);
    for (const port of [4000, 4001, 4010, 4020]) expect(new Stream(latch, PEER, port).send(100)).toEqual(['drop']);
  });

  it('the same description again: a port that the NAT has moved is learned, once the one before is silent', () => {
    const latch = fresh();
    new Stream(latch, PEER, 4000).send(100);
    const moved = new Stream(latch, PEER, 4444);
    expect(moved.send(100)).toEqual(['drop']);
    latch.expect(PEER, 4000);
    expect(moved.send(24)).toEqual(['candidate']);
    expect(moved.send(1)).toEqual(['moved']);
    latch.expect(PEER, 4000);
    const again = new Stream(latch, PEER, 4555);
    expect(again.send(25)).toEqual(['candidate', 'moved']);
    expect(moved.send(100)).toEqual(['drop']);
    expect(latch.port).toBe(4555);
  });

  it('the same description again: while the source in use goes on, nobody takes its place', () => {
    const latch = fresh();
    const peer = new Stream(latch, PEER, 4000);
    const other = new Stream(latch, PEER, 4444);
    peer.send(10);
    latch.expect(PEER, 4000);
    for (let n = 0; n < 200; n++) {
      expect(peer.send(1, { ms: 10 })).toEqual(['accept']);
      expect(other.send(1, { ms: 10 })[0]).not.toBe('moved');
    }
    expect(other.send(500)).toEqual(['drop']);
  });

  it('a hold that names nobody keeps who was heard, and learns nobody', () => {
    const latch = fresh();
    const peer = new Stream(latch, PEER, 4444);
    peer.send(10);
    latch.hold();
    expect(peer.send(10)).toEqual(['accept']);
    expect(new Stream(latch, PEER, 4446).send(100)).toEqual(['drop']);
    latch.expect(PEER, 4000);
    expect(peer.send(10)).toEqual(['accept']);
  });

  it('before any description, and for a peer that is not there yet, nobody counts', () => {
    const latch = new SourceLatch();
    expect(new Stream(latch, PEER, 4000).send(100)).toEqual(['drop']);
    latch.hold();
    expect(new Stream(latch, PEER, 4000).send(100)).toEqual(['drop']);
    latch.expect('127.0.0.1', 9);
    expect(new Stream(latch, '127.0.0.1', 9).send(100)).toEqual(['drop']);
    expect(new Stream(latch, '127.0.0.1', 4000).send(100)).toEqual(['drop']);
    latch.expect(PEER, 4000);
    expect(new Stream(latch, PEER, 4000).send(1)).toEqual(['accept']);
  });
});

describe('learn', () => {
  it('a source behind NAT is learned where the rule permits it, and nowhere else', () => {
    const latch = fresh(learn);
    expect(new Stream(latch, STRANGER, 4000).send(1000)).toEqual(['drop']);
    expect(new Stream(latch, '198.51.100.80', 4000).send(1000)).toEqual(['drop']);
    const nat = new Stream(latch, NAT, 5000);
    expect(nat.send(5)).toEqual(['candidate', 'moved']);
    expect(nat.send(10)).toEqual(['accept']);
    expect(new Stream(latch, '198.51.100.70', 5000).send(1000)).toEqual(['drop']);
    expect(new Stream(latch, NAT, 5002).send(1000)).toEqual(['drop']);
  });

  it('the described address wins when both are heard at the start, and not later', () => {
    const early = fresh(learn);
    new Stream(early, NAT, 5000).send(30);
    expect(new Stream(early, PEER, 4000).send(6)).toEqual(['candidate', 'moved', 'accept']);
    expect(new Stream(early, NAT, 5000).send(500)).toEqual(['drop']);
    const late = fresh(learn);
    new Stream(late, NAT, 5000).send(60);
    expect(new Stream(late, PEER, 4000).send(500)).toEqual(['drop']);
  });

  it('where nothing else is permitted, the described address does not count outside of it, and nothing is sent there', () => {
    const latch = new SourceLatch({ ...learn, restricted: true });
    latch.expect(PEER, 4000);
    expect(latch.address).toBeUndefined();
    expect(new Stream(latch, PEER, 4000).send(500)).toEqual(['drop']);
    latch.expect(NAT, 4000);
    expect(new Stream(latch, NAT, 4000).send(1)).toEqual(['accept']);
  });
});

describe('the rule as it comes with a call', () => {
  const read = (source?: string, networks?: string, restricted?: string) => readSourceRule({ source, networks, restricted });

  it('is what the description names when nothing is said', () => {
    expect(read()).toEqual({ mode: 'described' });
    expect(read('described')).toEqual({ mode: 'described' });
    const rule = read('learn', '192.0.2.0/24, 198.51.100.7', 'true');
    expect(rule).toMatchObject({ mode: 'learn', restricted: true });
    expect(['192.0.2.255', '198.51.100.7', '198.51.100.8', '192.0.3.0'].map((address) => rule.networks!.has(address))).toEqual([true, true, false, false]);
  });

  it.each([
    ['another word', 'everybody'], ['nothing', ''], ['two words', 'learn, described'],
    ['a name', 'learn', 'sbc.example'], ['half an address', 'learn', '192.0.2'], ['a range that is too wide to be one', 'learn', '192.0.2.0/33'], ['numbers above 255', 'learn', '192.0.2.256'],
    ['IPv6', 'learn', '::ffff:192.0.2.1'], ['an empty place', 'learn', '192.0.2.1,,192.0.2.2'], ['no networks to be restricted to', 'learn', undefined, 'true'], ['an unclear restriction', 'learn', '192.0.2.1', 'yes'],
    ['very many', 'learn', Array.from({ length: 65 }, (_, n) => `192.0.2.${n}`).join(',')], ['a very long text', 'learn', ' '.repeat(5000)],
  ])('is refused when it cannot be read: %s', (_what, source, networks?: string, restricted?: string) => {
    expect(() => read(source, networks, restricted)).toThrow(expect.objectContaining({ code: 'source_rule_malformed' }) as Error);
  });
});
