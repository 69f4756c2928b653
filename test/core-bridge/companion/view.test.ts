import { describe, expect, it } from 'vitest';
import { grouped, spoken, spokenNumber } from '../../../core-bridge/companion/digits.js';
import { Clock, viewOf, type View } from '../../../core-bridge/companion/view.js';
import type { Language } from '../../../core-bridge/language.js';
import type { ProgressEntry, ProgressStep } from '../../../core-bridge/progress/progress.js';
import type { SessionOnPage } from '../../../core-bridge/vault/vault.js';
import { AFTERNOON } from './rig.js';

const MINUTE = 60_000;
const clocks: Record<Language, Clock> = { nl: new Clock('nl', 'Europe/Amsterdam'), en: new Clock('en', 'Europe/Amsterdam') };

const session = (parts: Partial<SessionOnPage> = {}): SessionOnPage => ({
  board: 'board', purpose: 'report_move', code: '4712093358', word: 3, identity: 'verified', claimed: false,
  expiresAt: new Date(AFTERNOON + 15 * MINUTE), extendableUntil: new Date(AFTERNOON + 60 * MINUTE), ...parts,
});
const forCall = (parts: Partial<SessionOnPage> = {}): SessionOnPage => session({ code: undefined, claimed: true, ...parts });

/** Steps, a second after each other. */
const entries = (...steps: ProgressStep[]): ProgressEntry[] => steps.map((step, index) => ({ ...step, at: AFTERNOON + index * 1_000 }));

const look = (known: SessionOnPage | undefined, steps: ProgressStep[] = [], now = AFTERNOON, language: Language = 'nl') =>
  viewOf({ session: known, entries: entries(...steps) }, language, clocks[language], now);
const view = (...of: Parameters<typeof look>): View => look(...of).view;
const states = ({ steps }: View): string => steps.map(({ name, state }) => `${name}:${state}`).join(' ');

const authenticated: ProgressStep = { step: 'authenticated' };
const claimed: ProgressStep[] = [authenticated, { step: 'callSeen' }, { step: 'codeAccepted' }];
const talking: ProgressStep[] = [...claimed, { step: 'waiting', place: 2 }, { step: 'agentRinging' }, { step: 'connected' }];

describe('digits', () => {
  it.each([
    [6, '3-3'], [8, '4-4'], [9, '3-3-3'], [10, '3-3-4'], [11, '3-4-4'], [12, '4-4-4'], [13, '3-3-3-4'], [14, '3-3-4-4'], [15, '3-4-4-4'], [16, '4-4-4-4'],
  ])('of %i are grouped %s', (length, groups) => {
    const code = '1234567890123456'.slice(0, length);
    expect(grouped(code).map((group) => group.length).join('-')).toBe(groups);
    expect(grouped(code).join('')).toBe(code);
  });

  it('are read out one by one', () => {
    expect(spoken(grouped('4712093358'))).toBe('4 7 1, 2 0 9, 3 3 5 8');
    expect(spokenNumber('+31 20 123-4567')).toBe('+ 3 1, 2 0, 1 2 3, 4 5 6 7');
  });
});

describe('what a page shows of a session with a code', () => {
  it.each<[string, SessionOnPage, ProgressStep[], string, string, boolean, boolean]>([
    ['before the result', session({ identity: 'awaiting' }), [], 'Bel ons nu met uw code', 'login:pending call:current code:upcoming wait:upcoming talk:upcoming deletion:upcoming', true, true],
    ['logged in', session(), [authenticated], 'Bel ons nu met uw code', 'login:done call:current code:upcoming wait:upcoming talk:upcoming deletion:upcoming', true, true],
    ['without a login', session({ identity: 'unauthenticated' }), [], 'Bel ons nu met uw code', 'call:current code:upcoming wait:upcoming talk:upcoming deletion:upcoming', true, true],
    ['login failed', session({ identity: 'failed' }), [{ step: 'authenticationFailed' }], 'Inloggen is niet gelukt', 'login:failed call:current code:upcoming wait:upcoming talk:upcoming deletion:upcoming', true, true],
    ['call seen', session(), [authenticated, { step: 'callSeen' }], 'Wij zien uw gesprek', 'login:done call:done code:current wait:upcoming talk:upcoming deletion:upcoming', true, true],
    ['code accepted', session({ claimed: true }), claimed, 'Uw code klopt', 'login:done call:done code:done wait:current talk:upcoming deletion:upcoming', false, true],
    ['claimed, and the board was lost', session({ claimed: true }), [], 'Uw code klopt', 'login:done call:done code:done wait:current talk:upcoming deletion:upcoming', false, true],
    ['waiting', session({ claimed: true }), [...claimed, { step: 'waiting', place: 3 }], 'U staat in de wachtrij', 'login:done call:done code:done wait:current talk:upcoming deletion:upcoming', false, true],
    ['ringing', session({ claimed: true }), [...claimed, { step: 'agentRinging' }], 'Een medewerker neemt zo op', 'login:done call:done code:done wait:current talk:upcoming deletion:upcoming', false, true],
    ['back in line', session({ claimed: true }), [...claimed, { step: 'agentRinging' }, { step: 'waiting', place: 1 }], 'U staat in de wachtrij', 'login:done call:done code:done wait:current talk:upcoming deletion:upcoming', false, true],
    ['talking', session({ claimed: true }), talking, 'U spreekt met een medewerker', 'login:done call:done code:done wait:done talk:current deletion:upcoming', false, false],
    ['dropped', session(), [...claimed, { step: 'dropped', callAgainUntil: AFTERNOON + MINUTE }], 'De verbinding is verbroken', 'login:done call:current code:upcoming wait:upcoming talk:upcoming deletion:upcoming', true, true],
    ['called again', session({ claimed: true }), [...claimed, { step: 'dropped', callAgainUntil: AFTERNOON + MINUTE }, { step: 'callSeen' }, { step: 'codeAccepted' }], 'Uw code klopt', 'login:done call:done code:done wait:current talk:upcoming deletion:upcoming', false, true],
    ['ended', session({ claimed: true }), [...talking, { step: 'ended' }], 'Het gesprek is afgelopen', 'login:done call:done code:done wait:done talk:done deletion:current', false, false],
    ['ended before anybody answered', session({ claimed: true }), [...claimed, { step: 'ended' }], 'Het gesprek is afgelopen', 'login:done call:done code:done deletion:current', false, false],
  ])('%s', (_case, known, steps, title, expected, showsCode, showsWord) => {
    const seen = view(known, steps);
    expect(seen.title).toBe(title);
    expect(states(seen)).toBe(expected);
    expect({ live: seen.live, showsCode: seen.showsCode, showsWord: seen.showsWord }).toEqual({ live: true, showsCode, showsWord });
  });

  it('tells when things happened, and the place in the line', () => {
    const seen = view(session({ claimed: true }), [...claimed, { step: 'waiting', place: 3 }]);
    expect(seen.steps[0]).toEqual({ name: 'login', state: 'done', text: 'U bent ingelogd', stateText: 'klaar', time: '14:20' });
    expect(seen.steps[3]?.text).toBe('U bent nummer 3 in de wachtrij');
    expect(seen.lines).toEqual(['U bent nummer 3. Blijf aan de lijn.']);
    expect(view(session({ claimed: true }), [...claimed, { step: 'waiting', place: 1 }], AFTERNOON, 'en').lines).toEqual(['You are next. Stay on the line.']);
  });

  it('warns two minutes before the code expires, and then the page is over', () => {
    const early = look(session(), [authenticated]);
    expect(early.view.warnings).toEqual([]);
    expect(early.view.validity).toEqual({ endsAt: AFTERNOON + 15 * MINUTE, sentence: 'Uw code is geldig tot 14:35 uur.', help: 'Meer tijd nodig? Het kan tot uiterlijk 15:20 uur.', extendable: true });
    expect(early.changesAt).toBe(AFTERNOON + 13 * MINUTE);
    const late = look(session(), [authenticated], AFTERNOON + 13 * MINUTE);
    expect(late.view.warnings).toEqual(['Uw code verloopt om 14:35 uur. Nog niet gebeld? Kies dan ‘Langer geldig houden’.']);
    expect(late.changesAt).toBe(AFTERNOON + 15 * MINUTE);
    const over = look(undefined, [authenticated], AFTERNOON + 15 * MINUTE);
    expect(over.view).toMatchObject({ live: false, title: 'Deze pagina geldt niet meer', steps: [], warnings: [], showsCode: false, showsWord: false });
  });

  it('offers no more time when there is none', () => {
    const seen = view(session({ extendableUntil: new Date(AFTERNOON + 15 * MINUTE) }), [authenticated], AFTERNOON + 14 * MINUTE);
    expect(seen.validity?.extendable).toBe(false);
    expect(seen.warnings).toEqual(['Uw code verloopt om 14:35 uur. Lukt bellen niet op tijd? Log dan opnieuw in op de website.']);
  });

  it('tells until when a dropped call can be made again', () => {
    const { view: seen, changesAt } = look(session(), [...claimed, { step: 'dropped', callAgainUntil: AFTERNOON + 5 * MINUTE }]);
    expect(seen.lines).toEqual(['Bel opnieuw met dezelfde code. Dat kan tot 14:25 uur.']);
    expect(seen.validity).toMatchObject({ endsAt: AFTERNOON + 5 * MINUTE, extendable: false });
    expect(changesAt).toBe(AFTERNOON + 5 * MINUTE);
  });

  it('warns that the code was used again, as long as that matters', () => {
    expect(view(session({ claimed: true }), [...talking, { step: 'codeUsedAgain' }]).warnings).toEqual([expect.stringContaining('iemand heeft uw code om 14:20 uur nog een keer gebruikt')]);
    expect(view(undefined, [...talking, { step: 'codeUsedAgain' }, { step: 'ended' }, { step: 'deleted', afterMs: 1 }, { step: 'codeUsedAgain' }]).warnings).toEqual([]);
  });

  it('ends with the receipt and nothing else', () => {
    const done: ProgressStep[] = [...talking, { step: 'ended' }, { step: 'deleted', afterMs: 1_038 }];
    expect(view(undefined, done)).toEqual({
      live: false, title: 'Het gesprek is afgelopen', lines: [], warnings: [], showsCode: false, showsWord: false, steps: [],
      receipt: { sentence: 'Uw gegevens zijn verwijderd, 1.038 milliseconden nadat er werd opgehangen.', when: 'dinsdag 24 november 2026 om 14:20:07', at: '2026-11-24T13:20:07.000Z' },
    });
    expect(view(undefined, done, AFTERNOON, 'en').receipt).toMatchObject({ sentence: 'Your details were deleted, 1,038 milliseconds after the call was hung up.', when: expect.stringMatching(/^Tuesday,? 24 November 2026 at 14:20:07$/) as string });
  });

  it('says that a login no longer counts while the call goes on', () => {
    expect(view(undefined, [...talking, { step: 'deletedDuringCall' }])).toMatchObject({ live: false, title: 'Deze login telt niet meer', steps: [], showsCode: false, showsWord: false });
  });

  it('waits a minute for the receipt, and then says what it knows', () => {
    const ended: ProgressStep[] = [...talking, { step: 'ended' }];
    const first = look(undefined, ended, AFTERNOON + 6_000);
    expect(first.view).toMatchObject({ live: true, lines: ['Wij verwijderen nu uw gegevens.'] });
    expect(first.changesAt).toBe(AFTERNOON + 6_000 + MINUTE);
    expect(view(undefined, ended, AFTERNOON + 7_000 + MINUTE)).toMatchObject({ live: false, lines: ['Uw gegevens zijn verwijderd.'], steps: [] });
  });
});

describe('what a page shows of a session for a call', () => {
  it.each<[string, SessionOnPage, ProgressStep[], string, string, boolean]>([
    ['before the result', forCall({ identity: 'awaiting' }), [], 'Wij wachten op uw login', 'login:current talk:upcoming deletion:upcoming', false],
    ['logged in', forCall(), [authenticated], 'U bent ingelogd', 'login:done talk:upcoming deletion:upcoming', true],
    ['logged in while talking', forCall(), [{ step: 'connected' }, authenticated], 'U bent ingelogd', 'login:done talk:current deletion:upcoming', true],
    ['logged in while waiting', forCall(), [{ step: 'waiting', place: 4 }, authenticated], 'U bent ingelogd', 'login:done wait:current talk:upcoming deletion:upcoming', true],
    ['login failed', forCall({ identity: 'failed' }), [{ step: 'authenticationFailed' }], 'Inloggen is niet gelukt', 'login:failed talk:upcoming deletion:upcoming', false],
  ])('%s', (_case, known, steps, title, expected, showsWord) => {
    const seen = view(known, steps);
    expect(seen.title).toBe(title);
    expect(states(seen)).toBe(expected);
    expect({ code: seen.showsCode, word: seen.showsWord, validity: seen.validity }).toEqual({ code: false, word: showsWord, validity: undefined });
  });

  it('keeps the place in the line beside the word', () => {
    expect(view(forCall(), [{ step: 'waiting', place: 4 }, authenticated]).lines).toEqual(['Lees het woord hieronder voor aan de medewerker die u aan de lijn hebt.', 'U bent nummer 4. Blijf aan de lijn.']);
  });
});
