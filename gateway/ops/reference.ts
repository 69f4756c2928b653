/** docs/metrics.md, made from the metrics themselves; a test keeps the page equal to this. */
import { Metrics } from './metrics.js';

/** The reference page as Markdown. */
export async function metricsReference(): Promise<string> {
  const metrics = new Metrics({ waiting: () => 0, agentsReady: () => 0, endpoints: () => 0, storeReachable: () => true });
  const all = await metrics.registry.getMetricsAsJSON();
  const rows = all
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(({ name, type, help }) => `| \`${name}\` | ${String(type)} | ${labelsOf(metrics, name)} | ${help} |`);
  return `# Metrics and health

The \`ops\` listener (port 9090 unless configured) answers:

| path | answer |
|---|---|
| \`GET /live\` | 200 while the process runs |
| \`GET /health\` | 200 when calls can be taken, otherwise 503; JSON with \`status\` (\`starting\`, \`ready\`, \`degraded\`: a SIP or media server is missing, \`draining\`: asked to stop), \`sip\`, \`media\`, \`store\` (false: sessions cannot be reached, callers get a human without identification), \`calls\` |
| \`GET /metrics\` | the metrics below, in Prometheus' text format |

Labels come from closed lists. Nothing of a caller is in a name, a label or a value.

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}

function labelsOf(metrics: Metrics, name: string): string {
  const metric = metrics.registry.getSingleMetric(name) as unknown as { labelNames?: readonly string[] };
  return (metric.labelNames ?? []).map((label) => `\`${label}\``).join(', ') || '–';
}
