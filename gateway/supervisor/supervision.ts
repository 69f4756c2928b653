/**
 * The supervisor's room: a page and its feed. Each municipality's supervisors see their own municipality and nothing of
 * another. Nothing is gathered while nobody looks, but the figures of the day, which are counted as things happen.
 */
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { StoreConfig } from '../../config/index.js';
import type { RedisLink } from '../../core-bridge/index.js';
import type { Happening, Happenings } from '../happenings.js';
import type { NodeBus } from '../nodes/index.js';
import type { Session, SignIn } from '../sign-in/sign-in.js';
import { calendarOf, DayFigures, type Calendar } from './figures.js';
import { LiveCalls, type CallAtReception } from './live-calls.js';
import { supervisorRoutes } from './routes.js';
import { OwnFigures, SharedFigures, type Figures } from './shared-figures.js';
import { timeZoneOf, viewOf, type SupervisorView, type WatchedTenant } from './view.js';
import { closeCodes, Watcher } from './watcher.js';

export interface SupervisionOptions {
  readonly tenants: readonly WatchedTenant[];
  readonly signIn: SignIn;
  readonly happenings: Happenings;
  readonly bus: NodeBus;
  readonly callsOf: (tenant: string) => Iterable<CallAtReception>;
  /** Present when sessions are kept in Redis; then the figures are too. */
  readonly link: RedisLink | undefined;
  readonly store: StoreConfig;
  readonly log: Logger;
  readonly everyMs?: number;
  readonly now?: () => number;
}

/** How often a page is told what is so now, in ms. */
const everyMs = 2_000;
/** Pages of one municipality, and of one login. */
export const mostWatchers = 50;
export const mostOfSession = 5;
/** A view that was made this short a time ago serves the next one who asks, in ms. */
const freshMs = 1_000;

interface Watched {
  readonly tenant: WatchedTenant;
  readonly own: DayFigures;
  readonly figures: Figures;
  readonly calendar: Calendar;
  readonly watchers: Set<Watcher>;
  /** The last one, or the one that is being made: then `at` is not known yet. */
  view: { at: number | undefined; readonly made: Promise<SupervisorView> } | undefined;
}

export class Supervision {
  readonly plugin: FastifyPluginAsync;
  readonly #watched: ReadonlyMap<string, Watched>;
  readonly #calls: LiveCalls;
  readonly #timer: NodeJS.Timeout;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #stop: () => void;
  #closed: Promise<void> | undefined;

  constructor({ tenants, signIn, happenings, bus, callsOf, link, store, log, now = Date.now, ...options }: SupervisionOptions) {
    this.#log = log;
    this.#now = now;
    this.#calls = new LiveCalls(bus, callsOf, log);
    this.#watched = new Map(tenants.map((tenant) => {
      const { name, services } = tenant.config;
      const calendar = calendarOf(timeZoneOf(tenant.config));
      const own = new DayFigures(calendar, services.map((service) => service.name), now);
      const figures = link && store.kind === 'redis' ? new SharedFigures({ own, link, prefix: store.prefix, tenant: name, node: bus.id, log }) : new OwnFigures(own, now());
      return [name, { tenant, own, figures, calendar, watchers: new Set<Watcher>(), view: undefined } satisfies Watched];
    }));
    const count = (happening: Happening): void => {
      if (happening.tenant !== undefined) this.#watched.get(happening.tenant)?.own.hear(happening);
    };
    const ended = (session: Session): void => this.#dismiss(session, 'expired', closeCodes.loggedOut);
    const locked = (session: Session): void => this.#dismiss(session, 'locked', closeCodes.locked);
    happenings.on('happening', count);
    signIn.on('ended', ended);
    signIn.on('locked', locked);
    this.#stop = () => {
      happenings.off('happening', count);
      signIn.off('ended', ended);
      signIn.off('locked', locked);
    };
    this.#timer = setInterval(() => {
      for (const watched of this.#watched.values()) if (watched.watchers.size > 0) void this.#tell(watched);
    }, options.everyMs ?? everyMs);
    this.#timer.unref();
    this.plugin = supervisorRoutes(signIn, {
      view: (tenant) => this.#viewOf(this.#of(tenant)),
      opened: (socket, session) => this.#opened(socket, session),
    });
  }

  /** Pages that are open now. */
  get watchers(): number {
    return [...this.#watched.values()].reduce((sum, { watchers }) => sum + watchers.size, 0);
  }

  /** Sends every page away and writes the figures down. Idempotent. */
  close(): Promise<void> {
    return (this.#closed ??= this.#takeDown());
  }

  async #takeDown(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop();
    for (const { watchers } of this.#watched.values()) for (const watcher of watchers) watcher.close(closeCodes.goingAway);
    this.#calls.close();
    await Promise.all([...this.#watched.values()].map(({ figures }) => figures.close()));
  }

  #of(tenant: string): Watched {
    const watched = this.#watched.get(tenant);
    if (!watched) throw new Error('somebody of a municipality that is not on this gateway');
    return watched;
  }

  #opened(socket: WebSocket, session: Session): void {
    const watched = this.#of(session.principal.tenant);
    const { watchers } = watched;
    const watcher = new Watcher(socket, session, this.#log.child({ person: session.agent }), (gone) => watchers.delete(gone));
    if (this.#closed) return watcher.close(closeCodes.goingAway);
    if (!session.isLive) return watcher.close(closeCodes.loggedOut);
    const ofSession = [...watchers].filter((other) => other.session.key === session.key).length;
    if (watchers.size >= mostWatchers || ofSession >= mostOfSession) return watcher.close(closeCodes.tooMany);
    watchers.add(watcher);
    void this.#tell(watched, watcher);
  }

  /** @param only the one to tell; everybody when left out */
  async #tell(watched: Watched, only?: Watcher): Promise<void> {
    try {
      const text = JSON.stringify({ type: 'view', view: await this.#viewOf(watched) });
      for (const watcher of only ? [only] : [...watched.watchers]) {
        // Told of by an event as a rule; a login that ran out in between is not waited for.
        if (!watcher.session.isLive) watcher.close(closeCodes.loggedOut);
        else if (watcher.session.locked) watcher.close(closeCodes.locked);
        else watcher.send(text);
      }
    } catch (error) {
      this.#log.error({ err: error, tenant: watched.tenant.config.name }, 'supervisors cannot be told');
    }
  }

  /** One at a time for each municipality, whoever asks. */
  #viewOf(watched: Watched): Promise<SupervisorView> {
    const { view, tenant, figures, calendar } = watched;
    if (view && (view.at === undefined || performance.now() - view.at <= freshMs)) return view.made;
    const made = viewOf({ tenant, figures, calendar, calls: this.#calls, now: this.#now });
    const next: NonNullable<Watched['view']> = { at: undefined, made };
    watched.view = next;
    made.then(() => { next.at = performance.now(); }, () => { watched.view = undefined; });
    return made;
  }

  #dismiss(session: Session, type: 'expired' | 'locked', code: number): void {
    for (const watcher of this.#watched.get(session.principal.tenant)?.watchers ?? []) {
      if (watcher.session.key !== session.key) continue;
      watcher.send(JSON.stringify({ type }));
      watcher.close(code);
    }
  }
}
