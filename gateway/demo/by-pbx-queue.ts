/** Agents, second chapter: the call goes to the queue that the municipality's PBX has already. */
import { tone } from '../phone/index.js';
import { logInOnWebsite } from './citizen.js';
import { Ear } from './ear.js';
import { asRead, shows } from './passed-on.js';
import { textOfUserToUser, type DemoPbx } from './pbx.js';
import { hz, type Desk, type Stage } from './stage.js';

const person = { fullname: 'Achmed Yildirim', dateofbirth: '1979-05-06', city: 'Doetinchem', bsn: '999993653' };

/** The service whose calls the PBX gets, and bram's extension there. */
export const queueNumber = '+31 20 765 4321';
export const queuePurpose = 'request_permit';
export const bramsExtension = '202';

export async function byPbxQueue(stage: Stage, pbx: DemoPbx): Promise<void> {
  const { gateway } = stage;
  const [anna, bram] = [stage.desk('anna'), stage.desk('bram')];
  stage.chapter('2. The same by the queue of a PBX, which is told a reference and nothing else');
  const { code } = await logInOnWebsite(stage, person, queuePurpose);
  const citizen = new Ear([hz.queue, hz.bram]);
  const call = (await stage.phone()).call({ to: stage.number(queueNumber), code, codeAfterMs: 800, say: { samples: tone([hz.citizen], 60_000), forever: true }, giveUpAfterMs: 60_000, onHeard: citizen.hear });
  stage.tell('citizen', 'calls the number of a service whose calls the PBX distributes, and types the code');
  if (!(await stage.until(20_000, () => pbx.handed !== undefined))) throw new Error('the PBX’s queue was not called');
  const { userToUser, callInfo, text } = pbx.handed!;
  const reference = textOfUserToUser(userToUser);
  stage.tell('PBX', 'is called at its queue. All it gets to know:');
  stage.below([`User-to-User: ${userToUser}`, `  which reads ${reference}`, `Call-Info:    ${callInfo}`]);
  stage.check('a reference of 24 letters and digits, and nothing of the citizen', /^[a-z0-9]{24}$/.test(reference) && ![code, ...Object.values(person)].some((secret) => text.includes(secret)));
  await stage.within(8_000, 'the citizen hears the PBX’s queue', () => citizen.ms(hz.queue) > 400);
  stage.check('no screen shows the caller: the PBX has not said whose the call is', anna.screen.shown === undefined && bram.screen.shown === undefined);

  const reportedAt = performance.now();
  const taken = await pbx.report(bramsExtension, bram.displayName, hz.bram);
  stage.tell('PBX', `gives the call to bram, and reports it: P-Asserted-Identity, extension ${bramsExtension}`);
  await stage.within(5_000, 'bram’s screen shows the caller, anna’s does not', () => taken && shows(bram, person.fullname) && anna.screen.shown === undefined);
  stage.tell('bram', `reads, ${Math.round((bram.screen.toldAt('reveal') ?? reportedAt) - reportedAt)} ms after the report:`);
  stage.below(bram.screen.shown ? asRead(bram.screen.shown) : ['nothing']);
  const [brams, annas] = [await pop(stage, bram, reference), await pop(stage, anna, reference)];
  stage.check('the address in Call-Info leads bram to the screen, and shows anna nothing', brams.location === '/screen' && annas.location === null && !Object.values(person).some((value) => annas.text.includes(value)));
  await stage.within(8_000, 'the citizen hears bram', () => citizen.ms(hz.bram) > 400);

  const hungUpAt = performance.now();
  await call.hangup('the conversation is over');
  stage.tell('citizen', 'hangs up');
  await stage.within(1_000, 'bram’s screen is empty within a second', () => bram.screen.shown === undefined);
  await stage.within(1_000, 'the session is deleted within a second', async () => (await gateway.vault.stats()).live === 0);
  await stage.within(3_000, 'the PBX was hung up on', () => !pbx.hasCall);
  stage.tell('gateway', `everything of the citizen is gone, ${Math.round(performance.now() - hungUpAt)} ms after the end`);
  stage.check('the reference is worth nothing any more', (await pop(stage, bram, reference)).location === null);
}

/** The agent's browser at the address that the PBX was given. */
async function pop(stage: Stage, { screen }: Desk, reference: string): Promise<{ location: string | null; text: string }> {
  const answer = await fetch(`${stage.gateway.urls.agents}/pop/${reference}`, { redirect: 'manual', headers: { cookie: screen.cookie } });
  return { location: answer.headers.get('location'), text: await answer.text() };
}
