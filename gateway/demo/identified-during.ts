/** The second chapter: a citizen who just calls is asked, during the conversation, to show who they are. */
import type { Phone } from '../phone/index.js';
import { open, send, textOf } from './citizen-browser.js';
import type { Stage } from './stage.js';

const person = { fullname: 'Fatima el Idrissi', dateofbirth: '1988-11-02', city: 'Zutphen', email: 'fatima@example.org' };

export async function identifiedDuring(stage: Stage): Promise<void> {
  const { gateway } = stage;
  const { screen } = stage.desk('anna');
  stage.chapter('2. A citizen who just calls is asked to identify themselves during the conversation');
  stage.secrets.push(...Object.values(person));
  const phone: Phone = await stage.phone();
  const call = phone.call({ to: stage.number('+31201234567'), code: '0', codeAfterMs: 800, giveUpAfterMs: 30_000 });
  stage.tell('citizen', 'dials, and presses 0: has no code');
  const { callId } = (await screen.told('offer', { count: 2, timeoutMs: 20_000 })).call;
  await screen.told('connected', { count: 2, timeoutMs: 20_000 });
  stage.check('the screen says plainly that the caller is not identified', screen.shown?.fields === null);

  screen.say({ type: 'identify', callId });
  const { address, pairingCode } = await screen.told('invitation');
  stage.tell('agent', 'asks the caller to identify, and reads a short address and a pairing code from the screen');
  const methods = await send(await open(`http://${address}`), { code: pairingCode });
  stage.tell('citizen', 'opens the address, types the pairing code and chooses a way to log in');
  const chosen = /<button[^>]*name="method"[^>]*value="([^"]+)"/.exec(methods.html)?.[1];
  const login = await send(methods, chosen === undefined ? {} : { method: chosen });
  const shown = screen.shown?.fields;
  const page = await send(login, { ...person, outcome: 'verified' });
  stage.tell('citizen', 'logs in; the page shows a word to read out');
  const { confirmId, word } = await screen.told('confirmWord');
  stage.check('the word on the citizen’s page is the one on the agent’s screen', textOf(page).includes(word));
  stage.check('nothing of the citizen is on the screen before the words are compared', shown === null && screen.shown?.fields === null);

  const pops = screen.heard.filter(({ message }) => message.type === 'reveal').length;
  screen.say({ type: 'word', callId, confirmId, same: true });
  const reveal = await screen.told('reveal', { count: pops + 1 });
  stage.tell('agent', 'hears the same word, and confirms it');
  stage.check('the screen shows who is calling, during the conversation', Object.values(screen.shown?.fields ?? {}).includes(person.fullname) && reveal.how === 'duringCall');
  stage.check('and how fresh that is', (reveal.identity?.verifiedMsAgo ?? Infinity) < 60_000);

  await call.hangup('the conversation is over');
  stage.tell('citizen', 'hangs up');
  await stage.within(1_000, 'the screen is empty within a second', () => screen.shown === undefined);
  await stage.within(1_000, 'the session is deleted within a second', async () => (await gateway.vault.stats()).live === 0);
  await stage.within(3_000, 'the citizen’s page shows the receipt', async () => /verwijderd[^.]*\d+ milliseconde/.test(textOf(await open(page.url))));
}
