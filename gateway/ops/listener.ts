/** Health and metrics: for load balancers, container health checks and Prometheus. */
import type { FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.js';

/** starting: not yet; ready: takes calls; degraded: up, but cannot take calls now; draining: takes no new ones. */
export type Health = 'starting' | 'ready' | 'degraded' | 'draining';

export interface HealthReport {
  status: Health;
  sip: boolean;
  media: boolean;
  /** False while the store of sessions does not answer: callers then get a human, unidentified. */
  store: boolean;
  calls: number;
}

/** `GET /health` (200 when ready, otherwise 503), `GET /live` (200 while the process runs), `GET /metrics`. */
export function opsRoutes(app: FastifyInstance, report: () => HealthReport, metrics: Metrics): void {
  app.get('/live', () => ({ status: 'alive' }));
  app.get('/health', async (_request, reply) => {
    const health = report();
    return reply.code(health.status === 'ready' ? 200 : 503).send(health);
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()));
}
