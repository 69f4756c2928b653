/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access,
   @typescript-eslint/no-unsafe-return -- as in scenarios.ts */
/**
 * The recorded scenarios against a SIP server, the embedded one unless the environment names another. `recorded.json`
 * holds what drachtio-server 0.9.10 did in the same scenarios, condensed by `recording.ts`.
 */
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import Srf from 'drachtio-srf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openSipEngine, type SipEngine } from '../../support/engines.js';
import { Condenser, condenseSip, Relay, type Recording } from './recording.js';
import { scenarios, type Scenario, type Stage } from './scenarios.js';
import { ScriptedPhone, sleep } from './scripted-phone.js';

const recorded = JSON.parse(readFileSync(new URL('recorded.json', import.meta.url), 'utf8')) as Record<string, Recording>;

let engine: SipEngine;
beforeAll(async () => {
  engine = await openSipEngine();
});
afterAll(async () => {
  await engine.close();
});

const cleanup: Array<() => void | Promise<void>> = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function observe(scenario: Scenario): Promise<Recording> {
  const frames: string[] = [];
  const relay = await Relay.open(engine.admin, frames);
  cleanup.push(() => relay.close());
  const phones: Array<[string, ScriptedPhone]> = [];
  const stage: Stage = {
    async app() {
      const srf: any = new Srf();
      srf.on('error', () => undefined);
      const connected = new Promise<void>((resolve, reject) => srf.once('connect', (error: Error | null) => (error ? reject(error) : resolve())));
      srf.connect({ host: '127.0.0.1', port: relay.port, secret: engine.secret });
      await connected;
      cleanup.push(() => {
        try {
          srf.disconnect();
        } catch {
          // It was disconnected by the scenario.
        }
      });
      return srf;
    },
    async phone(name = 'phone', protocol = 'udp') {
      // The application's routes are on their way; the real server takes them after the phone's first packet otherwise.
      await sleep(60);
      const phone = await ScriptedPhone.open(engine.sip, protocol);
      cleanup.push(() => phone.close());
      phones.push([name, phone]);
      return phone;
    },
    dropApps: () => relay.drop(),
    freePort,
  };
  await scenario.run(stage);
  await sleep(60);
  const condenser = new Condenser();
  return {
    app: frames.map((frame) => condenser.frame(frame)).filter((line) => !/^OK( pong)?$/.test(line)),
    net: phones.flatMap(([name, phone]) => phone.heard.map((text) => `${name} ${condenseSip(text)}`)),
  };
}

/** Takes the last of each given entry out; complains about one that is not there, since its excuse is then stale. */
function without(lines: readonly string[], taken: readonly string[] | undefined, where: string): string[] {
  const rest = [...lines];
  for (const entry of taken ?? []) {
    const index = rest.findLastIndex((line) => line === entry || line.endsWith(` ${entry}`));
    if (index < 0) throw new Error(`${where} has no "${entry}": ${rest.join(' | ')}`);
    rest.splice(index, 1);
  }
  return rest;
}

const byPeer = (lines: readonly string[]): string[] => [...lines].sort((a, b) => {
  const [x, y] = [a.split(' ')[0]!, b.split(' ')[0]!];
  return x < y ? -1 : x > y ? 1 : 0;
});

describe('the SIP server does what drachtio-server was recorded doing', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(name, { timeout: scenario.timeoutMs ?? 30_000 }, async () => {
      const real = recorded[name]!;
      const seen = await observe(scenario);
      const channels = (['app', 'net'] as const).map((channel) => {
        const wanted = engine.embedded ? without(real[channel], scenario.onlyReal?.[channel], 'the recording') : real[channel];
        const got = engine.embedded ? without(seen[channel], scenario.onlyOurs?.[channel], 'the observation') : seen[channel];
        if (channel === 'net') return { wanted: byPeer(wanted), got: byPeer(got) };
        return scenario.unordered === true ? { wanted: [...wanted].sort(), got: [...got].sort() } : { wanted, got };
      });
      expect(channels.map(({ got }) => got)).toEqual(channels.map(({ wanted }) => wanted));
    });
  }

  it('leaves nothing behind', async () => {
    const deadline = Date.now() + 45_000;
    let stats = engine.stats();
    while (stats !== undefined && stats.dialogs + stats.transactions > 0 && Date.now() < deadline) {
      await sleep(500);
      stats = engine.stats();
    }
    if (stats !== undefined) expect(stats).toMatchObject({ dialogs: 0, transactions: 0 });
  }, 60_000);
});
