/**
 * A look at a media server before fsmrf connects to it. Needed because fsmrf's own `connect` never settles on a wrong
 * password or a silent server, keeps reconnecting in the background, and throws outside any promise when the SIP
 * profile is missing.
 */
import net from 'node:net';

/** `talkative`: it writes down what it executes, the keys that callers press and the names of recordings among it. */
export type Preflight = { ok: true; talkative: boolean } | { ok: false; problem: 'unreachable' | 'silent' | 'wrongSecret' | 'noProfile' };

/** Largest reply read, in bytes: `sofia status` of a server with many profiles is a few kilobytes. */
const maxReplyBytes = 262_144;

/** FreeSWITCH's level `warning`. At `notice` and above it is on its way to writing down each execution (`debug`). */
const quietLevel = 4;

/**
 * Logs in on the event socket, asks for the SIP profiles and how much is logged, and leaves.
 * @param limitMs for the whole exchange
 */
export function preflight(at: { host: string; port: number; secret: string; profile: string }, limitMs: number): Promise<Preflight> {
  return new Promise((resolve) => {
    let received = '';
    let step: 'greeting' | 'auth' | 'status' | 'level' = 'greeting';
    const socket = net.connect({ host: at.host, port: at.port });
    const timer = setTimeout(() => finish(step === 'level' ? { ok: true, talkative: false } : { ok: false, problem: step === 'status' ? 'noProfile' : 'silent' }), limitMs);
    let done = false;
    const finish = (result: Preflight) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    socket.setNoDelay(true);
    socket.setEncoding('utf8');
    socket.on('error', () => finish({ ok: false, problem: 'unreachable' }));
    socket.on('close', () => finish({ ok: false, problem: step === 'auth' ? 'wrongSecret' : 'unreachable' }));
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (received.length > maxReplyBytes) return finish({ ok: false, problem: 'noProfile' });
      if (step === 'greeting' && received.includes('auth/request')) {
        step = 'auth';
        received = '';
        socket.write(`auth ${at.secret}\n\n`);
      } else if (step === 'auth' && /Reply-Text: .*\n/.test(received)) {
        if (!/Reply-Text: \+OK/.test(received)) return finish({ ok: false, problem: 'wrongSecret' });
        step = 'status';
        received = '';
        socket.write('api sofia status\n\n');
      } else if (step === 'status') {
        const escaped = at.profile.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
        const found = new RegExp(`^\\s*${escaped}\\s.*sip:mod_sofia@`, 'm').test(received);
        if (!/\d+ profiles? /.test(received)) return;
        if (!found) return finish({ ok: false, problem: 'noProfile' });
        step = 'level';
        received = '';
        socket.write('api fsctl loglevel\n\n');
      } else {
        const level = /log level: \w+ \[(\d+)\]/.exec(received)?.[1];
        if (level !== undefined || /^-(ERR|USAGE)/m.test(received)) finish({ ok: true, talkative: level !== undefined && Number(level) > quietLevel });
      }
    });
  });
}
