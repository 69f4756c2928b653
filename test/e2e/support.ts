/** What the end-to-end suites share: one agent with a real phone, one citizen with a real phone, a gateway between. */
import { type Peers, sleep, startBaresip, startCitizen, startSippAgent, type Baresip, type Citizen, type CitizenOptions, type SippAgent } from '../peers/index.js';
import { TestGateway, type TestGatewayOptions } from '../support/gateway.js';
import type { ScreenClient } from '../../gateway/demo/screen-client.js';

export const dialled = '+31201234567';
export const citizenHz = 600;
export const agentHz = 900;
export const attributes = { fullname: 'Johanna Voorbeeld-Testpersoon', city: 'Nijmegen-Oost', bsn: '999990019' };

export interface Scene {
  gateway: TestGateway;
  screen: ScreenClient;
  /** Dials and waits for the answer. */
  call: (options?: Partial<CitizenOptions>) => Promise<Citizen>;
  /** A citizen with a session who has dialled and typed the code. */
  identifiedCall: (options?: Partial<CitizenOptions>) => Promise<{ citizen: Citizen; code: string }>;
}

/** A gateway with one agent whose phone is baresip. */
export async function sceneWithBaresip(peers: Peers, options: Partial<TestGatewayOptions> = {}): Promise<Scene & { phone: Baresip }> {
  const phone = peers.add(await startBaresip({ toneHz: [agentHz] }));
  return { ...(await scene(peers, phone.uri, options)), phone };
}

/** A gateway with one agent whose phone is sipp and behaves as told. */
export async function sceneWithSippAgent(peers: Peers, phoneOptions: Parameters<typeof startSippAgent>[0] = {}, options: Partial<TestGatewayOptions> = {}): Promise<Scene & { phone: SippAgent }> {
  const phone = peers.add(await startSippAgent({ toneHz: [agentHz], ...phoneOptions }));
  return { ...(await scene(peers, `sip:anna@127.0.0.1:${phone.sip.port}`, options)), phone };
}

/**
 * Types the code, and once more if the gateway has taken no code within 8 s, as a person does who is asked again: on a
 * busy machine sipp's keys do not always leave whole. That keys arrive whole from phones that send them so is tested
 * by interop-callers.test.ts.
 */
export async function typeCode(gateway: TestGateway, citizen: Citizen, code: string): Promise<void> {
  const taken = async () => (await gateway.metric(/^gateway_codes_total.*accepted/)) + (await gateway.metric(/^gateway_codes_total.*refused/));
  const before = await taken();
  await citizen.press(`${code}#`);
  const again = async () => {
    await sleep(8_000);
    if (citizen.running && (await taken()) === before) await citizen.press(`${code}#`);
  };
  // In the background: tests go on from the first key. A gateway that is gone by then takes no code.
  void again().catch(() => undefined);
}

async function scene(peers: Peers, uri: string, options: Partial<TestGatewayOptions>): Promise<Scene> {
  const gateway = peers.add(await TestGateway.start({ agents: [{ name: 'anna', phone: uri }], ...options }));
  const screen = peers.add(await gateway.screen('anna'));
  const call = async (callOptions: Partial<CitizenOptions> = {}) => {
    const citizen = peers.add(await startCitizen({ to: gateway.sip, user: dialled, toneHz: [citizenHz], ...callOptions }));
    await citizen.answered();
    return citizen;
  };
  return {
    gateway,
    screen,
    call,
    identifiedCall: async (callOptions) => {
      const code = await gateway.citizen(attributes);
      const citizen = await call(callOptions);
      await typeCode(gateway, citizen, code);
      return { citizen, code };
    },
  };
}
