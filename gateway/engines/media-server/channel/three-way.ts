/**
 * `three_way <uuid>`: this channel comes into the conversation of another one. It hears that one and whom that one is
 * bridged to, and both hear it. It lasts until either of the two ends or this one goes elsewhere; whom the other is bridged
 * to may change meanwhile.
 */
import { MixedSource } from '../audio/mix.js';
import type { DigitEvent } from '../rtp/index.js';
import type { AppRun } from './app-run.js';
import type { AppResult } from './applications.js';
import type { Channel } from './channel.js';

const NONE: AppResult = { response: '_none_' };

export async function threeWay(channel: Channel, run: AppRun, argument: string): Promise<AppResult> {
  const target = channel.find(argument.trim());
  // A real one takes several; one is what anybody here needs, and mixing stays a matter of three.
  if (!target || target === channel || target.isEnding || target.isInThreeWay) return NONE;
  const conversation = new Conversation(channel, target);
  const over = (): void => run.hangup();
  target.once('ending', over);
  target.on('bridgeChanged', conversation.update);
  try {
    await run.wait({});
  } finally {
    target.off('ending', over);
    target.off('bridgeChanged', conversation.update);
    conversation.end();
  }
  return NONE;
}

interface Member {
  readonly channel: Channel;
  readonly heard: MixedSource<Channel>;
  readonly onFrame: (samples: Int16Array) => void;
  readonly onDigit: (event: DigitEvent) => void;
}

/** Who talk: the guest, the channel it came to, and whom that one is bridged to. */
class Conversation {
  private readonly members = new Map<Channel, Member>();

  constructor(private readonly guest: Channel, private readonly target: Channel) {
    target.isInThreeWay = true;
    this.update();
  }

  readonly update = (): void => {
    const { guest, target } = this;
    const now = new Set([guest, target, target.bridgedTo].filter((one) => one !== undefined));
    for (const member of [...this.members.values()]) if (!now.has(member.channel)) this.leave(member);
    for (const channel of now) if (!this.members.has(channel)) this.join(channel);
  };

  end(): void {
    this.target.isInThreeWay = false;
    for (const member of [...this.members.values()]) this.leave(member);
  }

  private join(channel: Channel): void {
    const heard = new MixedSource<Channel>();
    const onFrame = (samples: Int16Array): void => {
      for (const other of this.members.values()) if (other.channel !== channel) other.heard.hear(channel, samples);
    };
    // Keys go over the bridge as before, and to nobody else.
    const onDigit = ({ digit }: DigitEvent): void => {
      if (channel !== this.guest) void channel.bridgedTo?.session.sendDigits(digit, { gapMs: 40 });
    };
    this.members.set(channel, { channel, heard, onFrame, onDigit });
    channel.session.on('frame', onFrame);
    channel.session.on('digit', onDigit);
    channel.session.hearMixed(heard);
  }

  private leave({ channel, onFrame, onDigit }: Member): void {
    this.members.delete(channel);
    channel.session.off('frame', onFrame);
    channel.session.off('digit', onDigit);
    channel.session.hearMixed(undefined);
    for (const other of this.members.values()) other.heard.forget(channel);
  }
}
