/** The first chapter: a citizen logs in on the website, dials, types the code; the agent sees who it is before they speak. */
import { words } from '../../ivr/index.js';
import { tone } from '../phone/index.js';
import { open, textOf } from './citizen-browser.js';
import { logInOnWebsite } from './citizen.js';
import { Ear } from './ear.js';
import { hz, type Stage } from './stage.js';

const person = { fullname: 'Jans de Boer', dateofbirth: '1951-03-14', city: 'Nijmegen' };

export async function identifiedBefore(stage: Stage): Promise<void> {
  const { gateway } = stage;
  const { screen, ear } = stage.desk('anna');
  stage.chapter('1. A citizen who logged in on the website calls');
  const { number, code, page, feedbackUrl } = await logInOnWebsite(stage, person);
  stage.tell('citizen', 'logs in on the website; our page shows the number, the code and a word');
  stage.check('the word on the page is one that the gateway can speak', words.nl.some((word) => textOf(page).includes(word)));

  const citizen = new Ear([hz.anna]);
  const call = (await stage.phone()).call({
    to: stage.number(number),
    code,
    codeAfterMs: 1_200,
    say: { samples: tone([hz.citizen], 60_000), forever: false },
    giveUpAfterMs: 30_000,
    onHeard: citizen.hear,
  });
  stage.tell('citizen', 'dials');
  call.on('event', (event) => {
    switch (event.kind) {
      case 'answered': return stage.tell('citizen', 'hears the greeting');
      case 'pressing': return stage.tell('citizen', 'types the code');
      case 'told':
        if (event.state === 'waiting') stage.tell('gateway', 'accepts the code and speaks the word of the page; the citizen waits');
        if (event.state === 'ringing-agent') stage.tell('gateway', "rings the agent's phone; the screen shows a call, and no name");
        return;
      default:
    }
  });
  let heardBeforePop = -1;
  let popAt = 0;
  screen.onPop = () => {
    heardBeforePop = ear.ms(hz.citizen);
    popAt = performance.now();
  };
  await screen.told('reveal', { timeoutMs: 25_000 });
  stage.tell('screen', `shows ${Object.keys(screen.shown?.fields ?? {}).length} verified attributes`);
  await screen.told('connected', { timeoutMs: 10_000 });
  stage.tell('gateway', `connects the two, ${Math.round(screen.toldAt('connected')! - popAt)} ms after the screen`);
  stage.check('the name on the screen is the citizen’s', Object.values(screen.shown?.fields ?? {}).includes(person.fullname));
  stage.check('the agent heard nothing of the citizen before the screen showed who it is', heardBeforePop === 0);
  await stage.within(8_000, 'the agent hears the citizen', () => ear.ms(hz.citizen) > 400);
  await stage.within(8_000, 'the citizen hears the agent', () => citizen.ms(hz.anna) > 400);

  const hungUpAt = performance.now();
  await call.hangup('the conversation is over');
  stage.tell('citizen', 'hangs up');
  await stage.within(1_000, 'the screen is empty within a second', () => screen.shown === undefined);
  await stage.within(1_000, 'session, result and code are deleted within a second', async () => (await gateway.vault.stats()).live === 0);
  stage.tell('gateway', `everything of the citizen is gone, ${Math.round(performance.now() - hungUpAt)} ms after the end`);
  stage.check('the code is worth nothing any more', !(await gateway.vault.claim(code, 'another call')).ok);
  await stage.within(3_000, 'the citizen’s page shows the receipt', async () => /verwijderd[^.]*\d+ milliseconde/.test(textOf(await open(page.url))));
  await stage.within(3_000, 'the authentication plugin heard that the session was used, and that it is over', async () => {
    const heard = (await (await fetch(feedbackUrl)).json()) as { user_active: number; logout: number };
    return heard.user_active >= 1 && heard.logout === 1;
  });
  screen.onPop = undefined;
}
