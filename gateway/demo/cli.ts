/**
 * `npm run demo`: a whole story by itself, on free ports beside whatever else runs here. Prints what happens, checks
 * what must be true, and exits 0 only if all of it was. `npm run demo -- agents` tells what agents see of it.
 */
import { agentsStory } from './agents-story.js';
import { identifiedBefore } from './identified-before.js';
import { identifiedDuring } from './identified-during.js';
import { Stage } from './stage.js';

/** sysexits: the command line is not understood. */
const EXIT_USAGE = 64;

const stories: Record<string, (stage: Stage) => Promise<void>> = { citizen: citizensStory, agents: agentsStory };

const usage = `A guided run, with its checks. Nothing is left of it.

  npm run demo             a citizen with a code, from the session to the receipt; then one who identifies during the call
  npm run demo -- agents   what agents see of it: waiting, a masked number, passing a call on, the queue of a PBX, the audit trail

Exit codes: 0 all of it held; 1 something did not; ${EXIT_USAGE} command line not understood.
`;

async function citizensStory(stage: Stage): Promise<void> {
  await stage.open(['anna']);
  await identifiedBefore(stage);
  await identifiedDuring(stage);
  await stage.nothingLeft();
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(usage);
    return 0;
  }
  const story = words.length > 1 ? undefined : stories[words[0] ?? 'citizen'];
  if (!story) {
    process.stderr.write(`"${words.join(' ')}" is not understood.\n\n${usage}`);
    return EXIT_USAGE;
  }
  const stage = new Stage();
  let asked = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (asked) return;
      asked = true;
      void stage.close().then(() => process.exit(1));
    });
  }
  try {
    await story(stage);
  } catch (error) {
    // What was closed beneath a chapter fails in it.
    if (!asked) stage.fail(error);
  } finally {
    await stage.close();
  }
  return asked ? 1 : stage.verdict();
}

process.exit(await main(process.argv.slice(2)));
