/** A media dialog that fsmrf gives up while the SIP server is gone must not become an unhandled rejection. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import Srf from 'drachtio-srf';
import { expect, it } from 'vitest';
import { startSipServer } from '../../gateway/engines/sip-server/index.js';
import { withObservedDialogs } from '../../gateway/media/observed-dialogs.js';
import { ScriptedPhone, sdp } from '../engines/sip/scripted-phone.js';

it('ends in silence unless somebody waits for it', async () => {
  const server = await startSipServer({ listen: { host: '127.0.0.1', port: 0 }, admin: { host: '127.0.0.1', port: 0 }, secret: 'observed' });
  const phone = await ScriptedPhone.open(server.sip);
  const srf = new Srf();
  srf.on('error', () => undefined);
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const connected = once(srf, 'connect');
    void srf.connect({ ...server.admin, secret: 'observed' });
    await connected;
    phone.onRequest = (request) => {
      if (request.method === 'INVITE') phone.respond(request, 200, 'OK', { body: sdp() });
    };
    const dialog = await withObservedDialogs(srf).createUAC(`sip:media@127.0.0.1:${phone.port}`, { localSdp: sdp() });
    const { socket } = dialog as unknown as { socket: NodeJS.EventEmitter & { destroy(): void } };
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
    // As fsmrf does it: nobody looks.
    void dialog.destroy();
    await expect(dialog.destroy()).rejects.toThrow();
    await sleep(50);
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
    phone.close();
    await server.close();
  }
});
