import path from 'node:path';
import { expect, it } from 'vitest';
import { metricsReference } from '../../gateway/ops/reference.js';

it('docs/metrics.md says what the metrics are (write it anew with `npx vitest run --config test/vitest.config.ts test/ops -u`)', async () => {
  await expect(await metricsReference()).toMatchFileSnapshot(path.resolve(import.meta.dirname, '../../docs/metrics.md'));
});
