/** Writes to a trail as fast as it can, and says which records were acknowledged; for tests that kill it. */
import { openTrail, shown } from './support.js';

const [, , folder = '', node = 'gw1'] = process.argv;
const trail = await openTrail(folder, { node });
process.stdout.write('ready\n');
let next = 0;
async function writer(): Promise<void> {
  for (;;) {
    const callId = `c${(next += 1)}`;
    await trail.record(shown(callId));
    process.stdout.write(`${callId}\n`);
  }
}
await Promise.all(Array.from({ length: 40 }, writer));
