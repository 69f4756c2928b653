/** Agents: each with a screen that acknowledges and a phone that answers at once. */
import { ScreenClient } from '../../../gateway/demo/screen-client.js';
import type { RtpLine, RtpLines } from './rtp-lines.js';
import { mediaOf, type PhoneDialog, type SipPhones } from './sip-phones.js';

/** Logins at one time: each costs the gateway a tenth of a second of hashing. */
const loginsAtOnce = 4;

export class Agent {
  line: RtpLine | undefined;
  dialog: PhoneDialog | undefined;
  screen: ScreenClient | undefined;
  constructor(readonly name: string) {}
}

export class Office {
  readonly agents = new Map<string, Agent>();
  /** By the agent's line: whose phone is it. */
  readonly byLine = new Map<number, Agent>();
  /** Somebody's name appeared on a screen. */
  onPop: ((agent: Agent, name: string | undefined, at: number) => void) | undefined;
  /** An agent's phone heard somebody for the first time in this call. */
  onHeard: ((agent: Agent, caller: number) => void) | undefined;

  constructor(private readonly phones: SipPhones, private readonly lines: RtpLines) {
    phones.onCall = async (user, offer) => {
      const agent = this.agents.get(user);
      if (!agent || agent.line) return undefined;
      const line = await lines.open();
      agent.line = line;
      this.byLine.set(line.id, agent);
      line.onHeard = (caller) => this.onHeard?.(agent, caller);
      const { address, port } = mediaOf(offer);
      return {
        sdp: line.sdp(phones.stack.host),
        accepted: (dialog) => {
          agent.dialog = dialog;
          line.talkWith(address, port);
          dialog.onEnd = () => {
            line.close();
            this.byLine.delete(line.id);
            agent.line = undefined;
            agent.dialog = undefined;
          };
        },
      };
    };
  }

  async staff(url: string, count: number): Promise<void> {
    const names = Array.from({ length: count }, (_, i) => `agent${i}`).filter((name) => !this.agents.has(name));
    await Promise.all(Array.from({ length: loginsAtOnce }, async () => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const agent = new Agent(name);
        this.agents.set(name, agent);
        const screen = await ScreenClient.open(url, name);
        agent.screen = screen;
        screen.onPop = (shown) => this.onPop?.(agent, shown.fields === null ? undefined : Object.values(shown.fields).find((value) => value.startsWith('Bench ')), performance.now());
      }
    }));
  }

  close(): void {
    for (const agent of this.agents.values()) agent.screen?.close();
  }
}
