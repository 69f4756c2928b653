/** The borders that the watchman walks: who says what there is, and how what stands alone is ended. */
import type { Call } from '../call/call.js';
import type { Engines } from '../engines/spawn.js';
import type { FarScreens } from '../screen/far-screens.js';
import type { LocalScreens } from '../screen/contract.js';
import type { SipNode } from '../sip/node.js';
import type { TenantRoom } from '../tenants.js';
import type { Border, Stray } from './watchman.js';

export interface Watched {
  readonly nodes: readonly SipNode[];
  /** This node, as desks name it. */
  readonly nodeId: string;
  readonly tenants: readonly TenantRoom[];
  readonly screens: LocalScreens;
  readonly farScreens: FarScreens;
  /** Calls of this node. */
  call(id: string): Call | undefined;
  calls(): Iterable<Call>;
  /** The embedded SIP server, where it is in use: a real one does not tell its dialogs. */
  readonly sipEngine: Engines | undefined;
  /** Whether desks hear of each other now; while they do not, what they say may be of before. */
  desksCanSay(): boolean;
  /** Whether the media servers are this gateway's alone; others may belong to several. */
  readonly ownMedia: boolean;
}

export function bordersOf(watched: Watched): Border[] {
  const { nodes, nodeId, tenants, screens, farScreens, sipEngine } = watched;
  const isLive = (callId: string): boolean => watched.call(callId) !== undefined;
  const hasAgent = (callId: string, agent: string): boolean => watched.call(callId)?.involves(agent) ?? false;
  /** @returns undefined when the desk cannot say */
  const seatedAt = async (desk: TenantRoom['desk']): Promise<ReadonlyMap<string, string | undefined> | undefined> => {
    const view = watched.desksCanSay() ? await desk.snapshot().catch(() => undefined) : undefined;
    return view && new Map(view.seats.map(({ agent, callId }) => [agent, callId]));
  };
  return [
    {
      kind: 'dialog',
      look: () => nodes.flatMap(({ srf: { owners } }) => [...owners.strays()].map((dialog): Stray => ({ id: dialog.id, ...ofCall(owners.callOf(dialog.id)), end: () => void dialog.destroy(undefined, () => undefined) }))),
    },
    {
      kind: 'serverDialog',
      look: async () => {
        if (!sipEngine) return undefined;
        const theirs = new Set(await sipEngine.dialogs());
        const ours = nodes.flatMap(({ srf }) => [...srf.owners.settled()].map((dialog) => ({ srf, dialog })));
        const known = new Set(nodes.flatMap(({ srf }) => [...srf.owners.ids()]));
        return [
          ...[...theirs].filter((id) => !known.has(id)).map((id): Stray => ({ id, end: () => sipEngine.endDialog(id) })),
          ...ours.filter(({ dialog }) => !theirs.has(dialog.id)).map(({ srf, dialog }): Stray => ({ id: dialog.id, ...ofCall(srf.owners.callOf(dialog.id)), end: () => srf.lose(dialog) })),
        ];
      },
    },
    {
      kind: 'endpoint',
      look: async () => [
        ...(await Promise.all(nodes.map(({ pool }) => pool.lostEndpoints()))).flat().map((endpoint): Stray => ({ id: endpoint.uuid, ...ofCall(endpoint.callId), end: () => endpoint.lose() })),
        ...nodes.flatMap(({ pool }) => [...pool.forgottenEndpoints()]).map((endpoint): Stray => ({ id: endpoint.uuid, ...ofCall(endpoint.callId), end: () => void endpoint.destroy() })),
      ],
    },
    {
      kind: 'channel',
      look: async () => {
        if (!watched.ownMedia) return undefined;
        const known = new Set(nodes.flatMap(({ pool }) => [...pool.endpointIds()]));
        const channels = (await Promise.all(nodes.map(({ pool }) => pool.channels()))).flat();
        return channels.filter(({ uuid }) => !known.has(uuid)).map(({ uuid, kill }): Stray => ({ id: uuid, end: kill }));
      },
    },
    {
      kind: 'call',
      look: () => [...watched.calls()].filter((call) => call.isAstray).map((call): Stray => ({ id: call.id, callId: call.id, end: () => call.endAstray() })),
    },
    {
      kind: 'place',
      look: () => (watched.desksCanSay() ? tenants : []).flatMap(({ desk }) => [...desk.waitingCalls].filter((callId) => !isLive(callId)).map((callId): Stray => ({ id: callId, callId, end: () => desk.leave(callId) }))),
    },
    {
      kind: 'seat',
      look: async () => (await Promise.all((watched.desksCanSay() ? tenants : []).map(async ({ desk }) => {
        const { seats } = await desk.snapshot();
        return seats.flatMap(({ agent, callId, callNode }): Stray[] => (callId === undefined || callNode !== nodeId || hasAgent(callId, agent) ? [] : [{ id: `${agent} ${callId}`, agent, callId, end: () => desk.free(agent, callId, 'moved') }]));
      }))).flat(),
    },
    {
      kind: 'screen',
      // What a call shows is leased, and goes by itself (ten seconds): only what outlives that is a fault.
      looks: 4,
      look: async () => (await Promise.all(tenants.map(async ({ config: { agents }, desk }) => {
        const shown = (agent: string): string | undefined => (screens.isPresent(agent) ? screens.callOn(agent) : undefined);
        if (agents.every(({ name }) => shown(name) === undefined)) return [];
        const seated = await seatedAt(desk);
        return agents.flatMap(({ name: agent }): Stray[] => {
          const callId = shown(agent);
          if (callId === undefined) return [];
          const isOfOtherNode = farScreens.isOfOtherNode(agent, callId);
          const hasThem = hasAgent(callId, agent);
          if ((isOfOtherNode || hasThem) && (!seated || seated.get(agent) === callId)) return [];
          const end = (): void => {
            // A call that thinks it has this agent asks the desk before it is shown again.
            if (!isOfOtherNode && !hasThem) farScreens.clear(agent, callId, 'leaseEnded');
            screens.clear(agent, callId, 'leaseEnded');
          };
          return [{ id: `${agent} ${callId}`, agent, callId, end }];
        });
      }))).flat(),
    },
  ];
}

const ofCall = (callId: string | undefined): Pick<Stray, 'callId'> => (callId === undefined ? {} : { callId });
