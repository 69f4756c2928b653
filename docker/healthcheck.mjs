// Exit code 0 when the gateway says that it is healthy. GATEWAY_HEALTH_URL names its address, because the operations
// listener need not be on loopback.
const url = process.env.GATEWAY_HEALTH_URL ?? 'http://127.0.0.1:9090/health';
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(3000), redirect: 'error' });
  if (!response.ok) throw new Error(`status ${response.status}`);
} catch (error) {
  process.stderr.write(`${url}: ${error.cause?.code ?? error.message}\n`);
  process.exitCode = 1;
}
