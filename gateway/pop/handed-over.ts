/** Finds the call of a pop address, on this node or on another one, and asks it. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { References } from '../call/hand-over.js';
import type { HandedOverCall } from '../call/live-call.js';
import { topic, type NodeBus, type Topic } from '../nodes/index.js';
import type { PopCalls, PopOutcome } from './pop-routes.js';

/** Longest wait for the node that has the call, in ms. */
const answerWithinMs = 1_500;
/** Questions to other nodes under way at one time. */
const maxOpen = 200;

const question = z.strictObject({ id: z.uuid(), act: z.enum(['has', 'claim']), tenant: z.string().max(64), agent: z.string().max(100), reference: z.string().max(64) });
const answer = z.strictObject({ id: z.uuid(), outcome: z.enum(['shown', 'notYours', 'tooEarly']) });
type Question = z.infer<typeof question>;
type Answer = z.infer<typeof answer>;

export class HandedOverCalls implements PopCalls {
  private readonly asked = new Map<string, (outcome: PopOutcome) => void>();
  private readonly questions: Topic<Question>;
  private readonly stopListening: (() => void)[];

  constructor(private readonly references: References<HandedOverCall>, private readonly bus: NodeBus, log: Logger) {
    this.questions = topic(bus, 'pop.question', question);
    const answers: Topic<Answer> = topic(bus, 'pop.answer', answer);
    const malformed = (from: string) => log.warn({ from }, 'a message about a handed-over call is not understood');
    this.stopListening = [
      this.questions.on((from, asked) => {
        this.askHere(asked).then((outcome) => (outcome === 'unknown' ? undefined : answers.send(from, { id: asked.id, outcome }))).catch(() => undefined);
      }, malformed),
      answers.on((_from, { id, outcome }) => this.asked.get(id)?.(outcome), malformed),
    ];
  }

  has(tenant: string, agent: string, reference: string): Promise<PopOutcome> {
    return this.ask({ id: randomUUID(), act: 'has', tenant, agent, reference });
  }

  claim(tenant: string, agent: string, reference: string): Promise<PopOutcome> {
    return this.ask({ id: randomUUID(), act: 'claim', tenant, agent, reference });
  }

  private async ask(asked: Question): Promise<PopOutcome> {
    const here = await this.askHere(asked);
    if (here !== 'unknown' || this.bus.peers.size === 0 || this.asked.size >= maxOpen) return here;
    return new Promise<PopOutcome>((resolve) => {
      const done = (outcome: PopOutcome) => {
        clearTimeout(timer);
        this.asked.delete(asked.id);
        resolve(outcome);
      };
      const timer = setTimeout(() => done('unknown'), answerWithinMs);
      this.asked.set(asked.id, done);
      this.questions.broadcast(asked).catch(() => done('unknown'));
    });
  }

  private async askHere({ act, tenant, agent, reference }: Question): Promise<PopOutcome> {
    const call = this.references.get(reference);
    // A reference of another municipality is none at all.
    if (!call || call.tenant !== tenant) return 'unknown';
    return act === 'claim' ? call.claimByAgent(agent) : call.isWith(agent);
  }

  /** Idempotent. */
  close(): void {
    for (const stop of this.stopListening) stop();
    for (const done of [...this.asked.values()]) done('unknown');
  }
}
