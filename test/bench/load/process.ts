/** The load generator: citizens' phones, agents' phones and agents' screens, in one process of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Citizens } from './citizens.js';
import { Office, type Agent } from './office.js';
import type { CallRecord, Command, FromLoad, Gateway, Results, ToLoad } from './protocol.js';
import { RtpLines, type RtpLine } from './rtp-lines.js';
import { mediaOf, SipPhones, type PhoneDialog } from './sip-phones.js';

const host = '127.0.0.1';
const linesPerSocket = 16;
/** A caller listens this long to the greeting before typing. */
const listensMs = 300;
/** Longest wait for each thing that should follow by itself. */
const patienceMs = 10_000;
/** How soon after a hang-up the agent's screen has to be clear. */
const clearedWithinMs = 2_000;

class CallFailed extends Error {}

interface Held {
  line: RtpLine;
  dialog: PhoneDialog;
  agent?: Agent;
}

class Load {
  private readonly lines = new RtpLines(host, linesPerSocket);
  private readonly office: Office;
  private citizens: Citizens | undefined;
  private gateway: Gateway | undefined;
  private readonly popped = new Map<string, (agent: Agent, at: number) => void>();
  private readonly heardBy = new Map<number, (agent: Agent) => void>();
  private readonly held: Held[] = [];
  private pairs: [RtpLine, RtpLine][] = [];

  private constructor(private readonly callers: SipPhones, readonly agents: SipPhones) {
    this.office = new Office(agents, this.lines);
    this.office.onPop = (agent, name, at) => {
      if (name !== undefined) this.popped.get(name)?.(agent, at);
    };
    this.office.onHeard = (agent, caller) => this.heardBy.get(caller)?.(agent);
  }

  static async open(): Promise<Load> {
    return new Load(await SipPhones.open(host), await SipPhones.open(host));
  }

  async carryOut(command: Command): Promise<Results[keyof Results]> {
    switch (command.do) {
      case 'connect':
        this.gateway = command.gateway;
        this.citizens = new Citizens(command.gateway);
        return {};
      case 'staff':
        await this.office.staff(this.gateway!.agentsUrl, command.agents);
        return {};
      case 'sessions': return { perSecond: await this.citizens!.make(command.count) };
      case 'ramp': return { calls: await this.ramp(command.callsPerSecond, command.seconds, command.talkMs) };
      case 'hold': {
        const before = this.held.length;
        const failures = await this.each(command.count, command.callsPerSecond, () => this.holdOne());
        return { held: this.held.length - before, failures };
      }
      case 'wait': {
        const before = this.held.length;
        const failures = await this.each(command.count, command.callsPerSecond, () => this.waitOne());
        return { waiting: this.held.length - before, failures };
      }
      case 'measure': {
        const talking = this.held.flatMap(({ line, agent }): [RtpLine, RtpLine][] => (agent?.line ? [[line, agent.line]] : []));
        return this.lines.measure([...talking, ...this.pairs], command.seconds);
      }
      case 'release':
        await this.release();
        return {};
      case 'pairs': return { ports: await this.openPairs(command.count) };
      case 'pairUp':
        this.pairUp(command.through);
        return {};
    }
  }

  private async ramp(callsPerSecond: number, seconds: number, talkMs: number): Promise<CallRecord[]> {
    const calls: Promise<CallRecord>[] = [];
    const startedAt = performance.now();
    const total = Math.round(callsPerSecond * seconds);
    for (let i = 0; i < total; i++) {
      await sleep(Math.max(0, startedAt + (i * 1_000) / callsPerSecond - performance.now()));
      calls.push(this.identified(talkMs));
    }
    return Promise.all(calls);
  }

  /** One citizen from dialling to hanging up. */
  private async identified(talkMs: number): Promise<CallRecord> {
    const record: CallRecord = {};
    const citizen = this.citizens!.take();
    const line = await this.lines.open();
    let dialog: PhoneDialog | undefined;
    try {
      const popped = new Promise<{ agent: Agent; at: number }>((resolve) => this.popped.set(citizen.name, (agent, at) => resolve({ agent, at })));
      dialog = await this.dial(line, record);
      await sleep(listensMs);
      const typedAt = await inTime(line.type(`${citizen.code}#`), 'the code could not be typed');
      const pop = await inTime(popped, 'no attributes on any screen', dialog);
      record.digitToScreenMs = pop.at - typedAt;
      await this.talking(line, pop.agent, dialog);
      record.digitToVoiceMs = performance.now() - typedAt;
      if (pop.agent.screen!.shown === undefined) throw new CallFailed('the screen was cleared during the call');
      await sleep(talkMs);
      if (dialog.ended) throw new CallFailed('the call was ended while the two were talking');
      if (!(await dialog.bye())) throw new CallFailed('the hang-up was not accepted');
      const giveUpAt = performance.now() + clearedWithinMs;
      while (Object.values(pop.agent.screen!.shown?.fields ?? {}).includes(citizen.name)) {
        if (performance.now() > giveUpAt) throw new CallFailed('the screen was not cleared');
        await sleep(20);
      }
    } catch (error) {
      record.failure = error instanceof Error ? error.message : String(error);
      await dialog?.bye();
    } finally {
      this.popped.delete(citizen.name);
      line.close();
    }
    return record;
  }

  /** Waits until caller and agent hear each other, and only each other. */
  private async talking(line: RtpLine, agent: Agent, dialog: PhoneDialog): Promise<void> {
    const both = () => agent.line !== undefined && line.heardSender === agent.line.id && agent.line.heardSender === line.id;
    const giveUpAt = performance.now() + patienceMs;
    while (!both()) {
      if (line.heardSender >= 0 && agent.line && line.heardSender !== agent.line.id) throw new CallFailed('the caller hears somebody else than the agent whose screen shows the attributes');
      if (dialog.ended) throw new CallFailed('the call was ended before the two could talk');
      if (performance.now() > giveUpAt) throw new CallFailed('the two do not hear each other');
      await sleep(2);
    }
  }

  private async dial(line: RtpLine, record: CallRecord): Promise<PhoneDialog> {
    const { sip, number } = this.gateway!;
    const dialledAt = performance.now();
    const { dialog, answeredAt } = await this.callers.dial(`sip:${number}@${sip}`, '+31612345678', line.sdp(host));
    record.postDialMs = answeredAt - dialledAt;
    const { address, port } = mediaOf(dialog.remoteSdp);
    line.onFirstPacket = () => (record.firstAudioMs = performance.now() - dialledAt);
    line.talkWith(address, port);
    return dialog;
  }

  /** A conversation that goes on until `release`; without a code, so that it costs little to begin. */
  private async holdOne(): Promise<void> {
    const line = await this.lines.open();
    let dialog: PhoneDialog | undefined;
    try {
      const taken = new Promise<Agent>((resolve) => this.heardBy.set(line.id, resolve));
      dialog = await this.dial(line, {});
      await sleep(listensMs);
      await inTime(line.type('0#'), 'the key could not be pressed');
      const agent = await inTime(taken, 'no agent hears the caller', dialog);
      await this.talking(line, agent, dialog);
      this.held.push({ line, dialog, agent });
    } catch (error) {
      line.close();
      await dialog?.bye();
      throw error;
    } finally {
      this.heardBy.delete(line.id);
    }
  }

  /** A caller who typed the code and waits, because nobody is there. */
  private async waitOne(): Promise<void> {
    const line = await this.lines.open();
    const dialog = await this.dial(line, {});
    await sleep(listensMs);
    await inTime(line.type(`${this.citizens!.take().code}#`), 'the code could not be typed');
    this.held.push({ line, dialog });
  }

  private async each(count: number, perSecond: number, work: () => Promise<void>): Promise<string[]> {
    const failures: string[] = [];
    const startedAt = performance.now();
    const running: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      await sleep(Math.max(0, startedAt + (i * 1_000) / perSecond - performance.now()));
      running.push(work().catch((error: unknown) => void failures.push(error instanceof Error ? error.message : String(error))));
    }
    await Promise.all(running);
    return failures;
  }

  private async release(): Promise<void> {
    for (const { line, dialog } of this.held.splice(0)) {
      // Not all in one millisecond: nobody's callers hang up together.
      await sleep(5);
      void dialog.bye();
      line.close();
    }
    for (const line of this.pairs.splice(0).flat()) line.close();
    await sleep(500);
  }

  /** Pairs of phones without any SIP, each with a socket of its own. */
  private async openPairs(count: number): Promise<{ a: number; b: number }[]> {
    for (let i = 0; i < count; i++) this.pairs.push([await this.lines.open('alone'), await this.lines.open('alone')]);
    return this.pairs.map(([a, b]) => ({ a: a.localPort, b: b.localPort }));
  }

  private pairUp(through: { a: number; b: number }[] | undefined): void {
    for (const [i, [a, b]] of this.pairs.entries()) {
      a.talkWith(host, through?.[i]?.a ?? b.localPort);
      b.talkWith(host, through?.[i]?.b ?? a.localPort);
    }
  }

  async close(): Promise<void> {
    this.office.close();
    this.lines.close();
    await Promise.all([this.callers.close(), this.agents.close()]);
  }
}

/** @param dialog when it ends, waiting is over */
function inTime<T>(promise: Promise<T>, otherwise: string, dialog?: PhoneDialog): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new CallFailed(otherwise)), patienceMs);
    if (dialog) {
      dialog.onEnd = () => reject(new CallFailed(`${otherwise}: the call was ended`));
      if (dialog.ended) dialog.onEnd();
    }
    promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    }, reject);
  });
}

const load = await Load.open();
const tell = (message: FromLoad) => {
  if (process.connected) process.send!(message);
};
process.on('message', ({ id, command }: ToLoad) => {
  load.carryOut(command).then(
    (result) => tell({ id, result }),
    (error: unknown) => tell({ id, problem: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => {
  setTimeout(() => process.exit(0), 1_000).unref();
  void load.close().then(() => process.exit(0));
});
tell({ ready: { agentsSip: load.agents.address } });
