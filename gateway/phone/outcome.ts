/** How a call of the test phone can end, with the exit code a script can rely on and advice for a human. */

export type Outcome =
  | 'connected' | 'not-allowed' | 'unknown-number' | 'no-common-codec' | 'busy' | 'unreachable' | 'unavailable'
  | 'refused' | 'no-audio' | 'gave-up' | 'hung-up-early' | 'interrupted' | 'failed';

interface Meaning { readonly exitCode: number; readonly cause: string; readonly fix: string }

/** Never renumber these: scripts of administrators test for them. */
export const meanings: Readonly<Record<Outcome, Meaning>> = {
  connected: { exitCode: 0, cause: 'Connected.', fix: '' },
  failed: { exitCode: 1, cause: 'The phone itself failed.', fix: 'This is a fault of the test phone: please report it with the text above.' },
  'not-allowed': { exitCode: 10, cause: 'The call was refused: this address may not call here.', fix: "Add this machine's address to the trunks in the gateway's configuration." },
  'unknown-number': { exitCode: 11, cause: 'Nobody has the number that was dialled.', fix: 'Dial a number (DID) that the configuration gives to a service, or add it there.' },
  'no-common-codec': { exitCode: 12, cause: 'The two sides share no codec.', fix: 'Allow G.711 (PCMA or PCMU) on the trunk; leave --codec out to offer both.' },
  busy: { exitCode: 13, cause: 'The line is busy or the call was declined.', fix: 'Try again, or look at the limits on calls of the called side.' },
  unreachable: { exitCode: 14, cause: 'No answer came from that address.', fix: "Check host, port and transport in --to, that the gateway is running, firewalls, and that this machine's address is among the trunks in the gateway's configuration: strangers get no answer." },
  unavailable: { exitCode: 15, cause: 'The called side could not take the call now.', fix: "Look at the gateway's log and its health page: a media server or the core may be down." },
  refused: { exitCode: 16, cause: 'The call was refused.', fix: 'The status above tells why.' },
  'no-audio': { exitCode: 17, cause: 'The call was answered, but no audio came.', fix: "Check that the media ports (RTP) are open both ways and that the answer's media address can be reached from here." },
  'gave-up': { exitCode: 18, cause: 'The call was answered, but nobody connected it to an agent in time.', fix: 'Check that an agent is logged in and available, that the code is right, and --give-up-after.' },
  'hung-up-early': { exitCode: 19, cause: 'The other side hung up before an agent was connected.', fix: "The reason above tells why; the gateway's log tells more." },
  interrupted: { exitCode: 130, cause: 'Interrupted before the call was connected.', fix: '' },
};

/** Exit code for a command line that makes no sense. */
export const usageExitCode = 64;

/** What a final response to the INVITE (RFC 3261 section 21) means. */
export function outcomeOfStatus(status: number): Outcome {
  switch (status) {
    case 401: case 403: case 407: return 'not-allowed';
    case 404: case 410: case 484: case 604: return 'unknown-number';
    case 415: case 488: case 606: return 'no-common-codec';
    case 486: case 600: case 603: return 'busy';
    case 408: return 'unreachable';
    default: return status === 480 || status >= 500 ? 'unavailable' : 'refused';
  }
}
