/** The agents' story: two agents, a supervisor, and a PBX with a queue of its own. */
import { bramsExtension, byPbxQueue, queueNumber, queuePurpose } from './by-pbx-queue.js';
import { passedOn } from './passed-on.js';
import { DemoPbx } from './pbx.js';
import { readTheTrail } from './read-the-trail.js';
import type { Change, Stage } from './stage.js';

interface RawService { readonly name: string; readonly purposes: readonly string[] }

export async function agentsStory(stage: Stage): Promise<void> {
  const pbx = DemoPbx.over(await stage.phone());
  await stage.open(['anna', 'bram'], withPbx(pbx.queue));
  await passedOn(stage, 'hans');
  await byPbxQueue(stage, pbx);
  await stage.nothingLeft();
  await readTheTrail(stage);
}

/** The demo's configuration with wrap-up time, and a second service whose calls go to the PBX's queue. */
const withPbx = (queue: string): Change => (raw) => ({
  ...raw,
  services: [
    ...(raw['services'] as RawService[]).map((service) => ({ ...service, purposes: service.purposes.filter((purpose) => purpose !== queuePurpose), queue: { wrapUpSeconds: 30 } })),
    { name: 'Vergunningen', numbers: [queueNumber], purposes: [queuePurpose], language: 'nl', handOver: { to: queue, binding: 'reported' } },
  ],
  agents: raw.agents.map((agent) => (agent.name === 'bram' ? { ...agent, identities: [bramsExtension] } : agent)),
});
