import { expect, it } from 'vitest';
import { SourceLatch } from '../../../gateway/engines/media-server/rtp/latch.js';

it('does not follow the address before a re-INVITE, even when that was first heard after it', () => {
  const latch = new SourceLatch();
  latch.expect('127.0.0.1', 4000, false);
  latch.expect('127.0.0.1', 4010, false);
  // The old phone's first packets were under way when the new address was agreed.
  for (let sequence = 0; sequence < 10; sequence++) expect(latch.judge('127.0.0.1', 4000, 1, sequence, sequence * 20)).toBe('drop');
  expect(latch.judge('127.0.0.1', 4010, 2, 0, 300)).toBe('accept');
  expect(latch).toMatchObject({ address: '127.0.0.1', port: 4010, isLocked: true });
  // And back again, when that is what was agreed.
  latch.expect('127.0.0.1', 4000, false);
  expect(latch.judge('127.0.0.1', 4000, 1, 11, 400)).toBe('accept');
});
