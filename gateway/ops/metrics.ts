/** What is counted and timed. Labels come from closed lists; nothing of a caller is in any of them. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { endReasons, type EndReason } from '../call/machine.js';
import { strayKinds, type StrayKind } from '../watchman/watchman.js';

export interface MetricSources {
  readonly waiting: () => number;
  readonly agentsReady: () => number;
  readonly endpoints: () => number;
  readonly storeReachable: () => boolean;
}

export class Metrics {
  readonly registry = new Registry();
  private readonly active: Gauge;
  private readonly started: Counter;
  private readonly ended: Counter<'reason' | 'identity'>;
  private readonly seconds: Histogram;
  private readonly codes: Counter<'outcome'>;
  private readonly refused: Counter<'cause'>;
  private readonly strays: Counter<'kind'>;
  private readonly pops: Histogram;
  private readonly bridges: Counter<'mode'>;
  private readonly guests: Counter<'outcome'>;
  private readonly guesses: Counter<'tenant' | 'outcome'>;
  private readonly pairings: Counter<'tenant' | 'outcome'>;
  private readonly alarms: Counter<'tenant'>;
  private readonly feedback: Counter<'outcome'>;
  private readonly audited: Counter<'outcome'>;
  private readonly auditSeconds: Histogram;
  private readonly floods: Counter;
  private readonly subscribers: Gauge;
  private readonly ctiSent: Counter;
  private readonly ctiRefused: Counter<'cause'>;
  private readonly webhooks: Counter<'outcome'>;
  private readonly webhookQueue: Gauge;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    this.active = new Gauge({ name: 'gateway_calls_active', help: 'Calls that exist now.', registers });
    this.started = new Counter({ name: 'gateway_calls_total', help: 'Calls that arrived and were let in.', registers });
    this.ended = new Counter({ name: 'gateway_calls_ended_total', help: 'Calls that ended, by reason and by whether the caller was identified.', labelNames: ['reason', 'identity'], registers });
    this.seconds = new Histogram({ name: 'gateway_call_seconds', help: 'Length of calls, in seconds.', buckets: [5, 15, 30, 60, 120, 300, 600, 1800, 3600], registers });
    this.codes = new Counter({ name: 'gateway_codes_total', help: 'Codes that were tried, by outcome: accepted, refused, mistyped (the check digit does not fit), failed (could not be looked up).', labelNames: ['outcome'], registers });
    this.refused = new Counter({ name: 'gateway_invites_refused_total', help: 'INVITEs that were refused before they became calls, by cause: stranger (no trunk lists the address), unknownNumber, full, trunkFull (the share of that trunk, or what is kept for others), tooFast (of one trunk), draining, codec, noMedia.', labelNames: ['cause'], registers });
    this.pops = new Histogram({ name: 'gateway_code_to_screen_seconds', help: 'From the last digit of the code to the attributes on their way to the screen, in seconds; includes the wait for an agent.', buckets: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300], registers });
    this.bridges = new Counter({ name: 'gateway_bridges_total', help: 'Connections of caller and agent, by mode.', labelNames: ['mode'], registers });
    this.guests = new Counter({ name: 'gateway_brought_in_total', help: 'Colleagues who were asked into a conversation, by outcome: joined, noAnswer (or their screen did not show the caller), busy, refused, unknown (could not be connected).', labelNames: ['outcome'], registers });
    this.guesses = new Counter({ name: 'gateway_guesses_total', help: 'Codes by what became of them: right, wrong (a guess), stale (used or expired), not looked up, given up waiting for a turn.', labelNames: ['tenant', 'outcome'], registers });
    this.pairings = new Counter({ name: 'gateway_pairings_total', help: 'Pairing codes by what became of them, as in gateway_guesses_total.', labelNames: ['tenant', 'outcome'], registers });
    this.alarms = new Counter({ name: 'gateway_guess_alarms_total', help: 'Times that more wrong codes were typed than are free in a window: somebody is guessing.', labelNames: ['tenant'], registers });
    this.feedback = new Counter({ name: 'gateway_session_feedback_total', help: 'Reports to authentication plugins, by outcome.', labelNames: ['outcome'], registers });
    this.audited = new Counter({ name: 'gateway_audit_records_total', help: 'Records for the audit trail, by outcome: written, failed. While any fail, nothing is shown unless `audit.required` is false: wake somebody.', labelNames: ['outcome'], registers });
    this.auditSeconds = new Histogram({ name: 'gateway_audit_commit_seconds', help: 'How long the audit trail’s disk took for one batch of records, in seconds.', buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5], registers });
    const gauge = (name: string, help: string, read: () => number) => {
      const made: Gauge = new Gauge({ name, help, registers, collect: () => made.set(read()) });
    };
    gauge('gateway_waiting', 'Calls in the waiting room.', sources.waiting);
    gauge('gateway_agents_ready', 'Agents who are there and ready.', sources.agentsReady);
    gauge('gateway_store_reachable', '1 while the store of sessions answers.', () => (sources.storeReachable() ? 1 : 0));
    gauge('gateway_endpoints', 'Endpoints on media servers.', sources.endpoints);
    this.floods = new Counter({ name: 'gateway_screens_flooding_total', help: 'Pages of agents that were closed because they said more than a page of a person does; the log names the agent.', registers });
    this.subscribers = new Gauge({ name: 'gateway_cti_subscribers', help: 'Other desktops that hear of calls over a WebSocket now.', registers });
    this.ctiSent = new Counter({ name: 'gateway_cti_events_sent_total', help: 'Events that were told to them, one for each that heard it.', registers });
    this.ctiRefused = new Counter({ name: 'gateway_cti_refused_total', help: 'Sockets of other desktops that were refused or closed, by cause: token (unknown), origin (a page of another site), hello (nothing or nonsense was said), tooMany, tooSlow (it did not read what it was told).', labelNames: ['cause'], registers });
    this.webhooks = new Counter({ name: 'gateway_webhook_events_total', help: 'Events for webhooks: delivered; retried (a try that failed and is repeated); dead (given up); dropped (too many waited, or the gateway stopped).', labelNames: ['outcome'], registers });
    this.webhookQueue = new Gauge({ name: 'gateway_webhook_queued', help: 'Events that wait for a webhook or are under way.', registers });
    for (const outcome of ['delivered', 'retried', 'dead', 'dropped']) this.webhooks.inc({ outcome }, 0);
    for (const outcome of ['written', 'failed']) this.audited.inc({ outcome }, 0);
    this.strays = new Counter({ name: 'gateway_strays_total', help: 'Things that stood alone and were ended, by kind: dialog, serverDialog, endpoint, channel, call, place (in the line), seat, screen. Stays 0 while all is right: any is a fault, and the log has it at error.', labelNames: ['kind'], registers });
    for (const kind of strayKinds) this.strays.inc({ kind }, 0);
    for (const reason of endReasons) this.ended.inc({ reason, identity: 'unidentified' }, 0);
  }

  strayEnded(kind: StrayKind): void {
    this.strays.inc({ kind });
  }

  callStarted(): void {
    this.active.inc();
    this.started.inc();
  }

  callEnded(reason: EndReason, identity: 'verified' | 'unidentified', seconds: number): void {
    this.active.dec();
    this.ended.inc({ reason, identity });
    this.seconds.observe(seconds);
  }

  codeTried(outcome: 'accepted' | 'refused' | 'mistyped' | 'failed'): void {
    this.codes.inc({ outcome });
  }

  guessSettled(tenant: string, outcome: 'right' | 'wrong' | 'stale' | 'notLookedUp' | 'gaveUp'): void {
    this.guesses.inc({ tenant, outcome });
  }

  pairingSettled(tenant: string, outcome: 'right' | 'wrong' | 'stale' | 'notLookedUp' | 'gaveUp'): void {
    this.pairings.inc({ tenant, outcome });
  }

  guessAlarm(tenant: string): void {
    this.alarms.inc({ tenant });
  }

  feedbackSent(outcome: 'delivered' | 'refused' | 'failed' | 'dropped'): void {
    this.feedback.inc({ outcome });
  }

  inviteRefused(cause: 'stranger' | 'unknownNumber' | 'full' | 'trunkFull' | 'tooFast' | 'draining' | 'codec' | 'noMedia', count = 1): void {
    this.refused.inc({ cause }, count);
  }

  screenFlooded(): void {
    this.floods.inc();
  }

  ctiSubscribers(count: number): void {
    this.subscribers.set(count);
  }

  ctiEventSent(): void {
    this.ctiSent.inc();
  }

  ctiSocketRefused(cause: 'token' | 'origin' | 'hello' | 'tooMany' | 'tooSlow'): void {
    this.ctiRefused.inc({ cause });
  }

  webhookSettled(outcome: 'delivered' | 'retried' | 'dead' | 'dropped'): void {
    this.webhooks.inc({ outcome });
  }

  webhookQueued(by: number): void {
    this.webhookQueue.inc(by);
  }

  /** @param ms for the whole batch */
  auditWritten(records: number, ms: number): void {
    this.audited.inc({ outcome: 'written' }, records);
    this.auditSeconds.observe(ms / 1000);
  }

  auditFailed(records: number): void {
    this.audited.inc({ outcome: 'failed' }, records);
  }

  /** @param ms from the last digit to the pop */
  revealed(ms: number): void {
    this.pops.observe(ms / 1000);
  }

  broughtIn(outcome: 'joined' | 'noAnswer' | 'busy' | 'refused' | 'unknown'): void {
    this.guests.inc({ outcome });
  }

  connected(mode: 'anchored' | 'released'): void {
    this.bridges.inc({ mode });
  }
}
