/** How long a caller may wait: stays in lines, what stops them, and what is left of them. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WaitLimit } from '../../gateway/call/wait-limit.js';

let ranOut: ReturnType<typeof vi.fn<() => void>>;
let limit: WaitLimit;
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

beforeEach(() => {
  vi.useFakeTimers();
  ranOut = vi.fn<() => void>();
  limit = new WaitLimit(ranOut);
});
afterEach(() => {
  limit.end();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Runs out so much later, and not before. */
function runsOutAfter(ms: number): void {
  pass(ms - 1);
  expect(ranOut).not.toHaveBeenCalled();
  pass(1);
  expect(ranOut).toHaveBeenCalledOnce();
}

describe('the longest stay in a line', () => {
  it('is counted from the moment of coming into it, and told once', () => {
    limit.enter('permits', 60_000);
    runsOutAfter(60_000);
    pass(600_000);
    expect(ranOut).toHaveBeenCalledOnce();
  });

  it('stands still while an agent’s phone rings, and goes on with what is left when nobody answered', () => {
    limit.enter('permits', 60_000);
    pass(40_000);
    limit.pause();
    pass(90_000);
    expect(ranOut).not.toHaveBeenCalled();
    limit.enter('permits', 60_000);
    pass(15_000);
    limit.pause();
    pass(30_000);
    limit.enter('permits', 60_000);
    runsOutAfter(5_000);
  });

  it('that is used up to the last moment runs out at once, but not while the caller is being put in line', () => {
    limit.enter('permits', 60_000);
    pass(59_999.9);
    limit.pause();
    limit.enter('permits', 60_000);
    expect(ranOut).not.toHaveBeenCalled();
    pass(1);
    expect(ranOut).toHaveBeenCalledOnce();
  });

  it('begins anew after a conversation, which nothing ends', () => {
    limit.enter('permits', 60_000);
    pass(50_000);
    limit.pause();
    limit.end();
    pass(600_000);
    expect(ranOut).not.toHaveBeenCalled();
    limit.enter('permits', 60_000);
    runsOutAfter(60_000);
  });

  it('begins anew in the line of another service, with the limit of that one', () => {
    limit.enter('permits', 60_000);
    pass(50_000);
    limit.enter('taxes', 20_000);
    runsOutAfter(20_000);
  });

  it('that ran out means nothing for the next one: who is back in the line waits anew', () => {
    limit.enter('permits', 60_000);
    runsOutAfter(60_000);
    ranOut.mockClear();
    limit.enter('permits', 60_000);
    runsOutAfter(60_000);
  });

  it('goes on, and does not begin again, for who is put in the same line meanwhile', () => {
    limit.enter('permits', 20_000);
    pass(5_000);
    limit.enter('permits', 60_000);
    runsOutAfter(15_000);
  });

  it('may begin within the very moment in which one ran out', () => {
    ranOut.mockImplementationOnce(() => limit.enter('taxes', 20_000));
    limit.enter('permits', 60_000);
    pass(79_999);
    expect(ranOut).toHaveBeenCalledOnce();
    pass(1);
    expect(ranOut).toHaveBeenCalledTimes(2);
  });

  it('ends with the call, and may be ended twice', () => {
    limit.enter('permits', 60_000);
    limit.end();
    limit.end();
    limit.pause();
    pass(600_000);
    expect(ranOut).not.toHaveBeenCalled();
  });
});
