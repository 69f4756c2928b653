/**
 * `npm run demo`: the whole story by itself, on free ports beside whatever else runs here. Prints what happens, checks
 * what must be true, and exits 0 only if all of it was.
 */
import { identifiedBefore } from './identified-before.js';
import { identifiedDuring } from './identified-during.js';
import { Stage } from './stage.js';

const stage = new Stage();
try {
  await stage.open();
  await identifiedBefore(stage);
  await identifiedDuring(stage);
  await stage.nothingLeft();
} catch (error) {
  stage.fail(error);
} finally {
  await stage.close();
}
process.exit(stage.verdict());
