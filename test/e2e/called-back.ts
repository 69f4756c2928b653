/** Citizens who would rather be called back: what they press and hear, and their telephones as a trunk reaches them. */
import { expect } from 'vitest';
import type { PromptName } from '../../ivr/index.js';
import { until } from '../peers/index.js';
import { digitsHeard, heardWhole } from './heard-prompt.js';
import type { Media } from './interop/media.js';
import { Phone, type Leg } from './interop/phone.js';
import { answerTo, follow } from './interop/stage.js';

/** A citizen's telephone, as the trunk reaches it, with the calls it has had. */
export interface Home { media: Media; legs: Leg[] }

/** The trunk outside: telephones by number, which answer at once. */
export class Outside {
  private readonly homes = new Map<string, Home>();

  private constructor(private readonly trunk: Phone) {}

  static async open(): Promise<Outside> {
    const trunk = await Phone.open(undefined);
    const outside = new Outside(trunk);
    trunk.onInvite = (leg) => {
      const home = [...outside.homes].find(([number]) => leg.invited!.startLine.includes(number))?.[1];
      if (!home) return leg.respond(leg.invited!, { status: 404, reason: 'Not Found' });
      const { media } = home;
      home.legs.push(leg);
      follow(media, leg.remoteSdp);
      leg.describe = (offer) => (offer ? answerTo(follow(media, offer), offer) : leg.localSdp);
      leg.accept(answerTo(media, leg.remoteSdp));
    };
    return outside;
  }

  /** As a configuration's `outbound` names it. */
  get outbound(): string {
    return `sip:{number}@127.0.0.1:${this.trunk.port}`;
  }

  at(number: string, media: Media): Home {
    const home: Home = { media, legs: [] };
    this.homes.set(number, home);
    return home;
  }

  stop(): Promise<void> {
    return this.trunk.stop();
  }
}

/** Waits until a sentence was heard to its end. */
export async function said(media: Media, name: PromptName, since = 0): Promise<void> {
  await until(() => heardWhole(media.heard(since), name), `"${name}" to be said`, 90_000, 700);
}

/** Types a code, asks to be called back when that is offered, agrees to the number called from, and is hung up on. @returns the short code that was told; '' without one */
export async function arranges({ leg, media }: { leg: Leg; media: Media }, code: string): Promise<string> {
  let since = Date.now();
  await media.press(`${code}#`, { toneMs: 60, gapMs: 40 });
  await said(media, 'callback-offer', since);
  since = Date.now();
  await media.press('1');
  await said(media, 'callback-number-right', since);
  await media.press('1');
  since = Date.now();
  await leg.saw('BYE', { timeoutMs: 90_000 });
  const told = digitsHeard(media.heard(since));
  // Read twice.
  expect(told).toMatch(/^(\d{4})\1$/);
  return told.slice(0, 4);
}

/** Answers the call back and types what is given for the code. @param typed undefined where no code is asked for */
export async function answers({ media, legs }: Home, typed: string | undefined): Promise<Leg> {
  const leg = await until(() => legs[0], 'the citizen to be called back', 60_000);
  await said(media, 'callback-ready');
  const since = Date.now();
  await media.press('1');
  if (typed === undefined) return leg;
  await said(media, 'callback-enter-code', since);
  await media.press(typed);
  return leg;
}
