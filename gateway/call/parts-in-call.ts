/** Whose screen a call can be on, and what each of them is told and may do. */
import type { PartInCall } from './agent-view.js';
import type { FarSide } from './far-side.js';
import type { GuestSide } from './guest-side.js';
import type { LiveCall } from './live-call.js';
import { isWithAgent } from './machine.js';

/** The agent's own part. */
export function agentsPart(call: LiveCall, canIdentify: boolean, far: FarSide): PartInCall {
  return {
    offered: () => {
      const { transferredBy, guest } = call.state;
      const from = nameOf(call, transferredBy);
      const beside = nameOf(call, guest?.agent) ?? guest?.agent;
      return { canIdentify, canTransfer: true, ...(from !== undefined && { transferredBy: from }), ...(guest && beside !== undefined && { guest: { name: beside, isJoined: guest.part === 'joined' } }) };
    },
    isPresent: (agent, revealId) => {
      const { state } = call;
      return state.revealId === revealId && state.agent === agent && (state.name === 'revealing' || isWithAgent(state));
    },
    isAwaited: () => call.state.name === 'revealing',
    talking: () => isWithAgent(call.state) && far.talking,
    voice: () => far.agentVoice(),
    told: {
      acknowledged: (revealId) => ({ type: 'acknowledged', revealId }),
      missed: (revealId) => ({ type: 'acknowledgementMissed', revealId }),
      declined: (revealId) => ({ type: 'agentDeclined', revealId }),
    },
  };
}

/** That of a colleague who is brought in: they look on, and pass nothing on. */
export function guestsPart(call: LiveCall, side: GuestSide): PartInCall {
  return {
    offered: () => ({ canIdentify: false, canTransfer: false, broughtInBy: nameOf(call, call.state.agent) ?? '' }),
    isPresent: (agent, revealId) => {
      const { guest } = call.state;
      return guest?.agent === agent && guest.revealId === revealId && guest.part !== 'ringing';
    },
    isAwaited: () => call.state.guest?.part === 'revealing',
    talking: () => side.talking,
    voice: () => side.voice(),
    told: {
      acknowledged: (revealId) => ({ type: 'guestAcknowledged', revealId }),
      missed: (revealId) => ({ type: 'guestNotShown', revealId }),
      declined: (revealId) => ({ type: 'guestDeclined', revealId }),
    },
  };
}

/** An agent as colleagues call them. */
function nameOf(call: LiveCall, agent: string | undefined): string | undefined {
  return agent === undefined ? undefined : call.incoming.tenant.agent(agent)?.displayName;
}
