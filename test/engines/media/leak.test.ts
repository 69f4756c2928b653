/** Many calls, ended in every way: nothing may stay behind. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sleep, until } from './audio.js';
import { REAL, call, startRig, within, type Rig } from './rig.js';

const CALLS = 200;
const AT_ONCE = 20;

let rig: Rig;
beforeAll(async () => {
  if (!REAL) rig = await startRig({ ports: 2 * AT_ONCE + 10 });
});
afterAll(async () => {
  if (!REAL) await rig.close();
});

test.skipIf(REAL)(`${CALLS} calls leave no session, port, timer, dialog or connection`, async () => {
  let done = 0;
  const one = async (n: number): Promise<void> => {
    const { ep, phone } = await within(call(rig), 8000, `endpoint ${n}`);
    const playing = ep.play('tone_stream://%(30000,0,440)').catch(() => undefined);
    await sleep(20 * (n % 5));
    switch (n % 6) {
      case 0: await within(ep.destroy(), 3000, 'destroy'); break;
      case 1: await rig.ms.api(`uuid_kill ${ep.uuid}`); break;
      case 2: ep.dialog.destroy(); break;
      case 3: ep.conn.socket.destroy(); break;
      case 4: {
        void ep.playCollect({ file: 'silence_stream://5000', timeout: 20_000 }).catch(() => undefined);
        await phone.press('1', 40, 0);
        await within(ep.destroy(), 3000, 'destroy');
        break;
      }
      default: {
        await ep.api('uuid_break', ep.uuid);
        await within(playing, 2000, 'break');
        await within(ep.destroy(), 3000, 'destroy');
      }
    }
    phone.close();
    done++;
  };
  for (let n = 0; n < CALLS; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => one(n + i)));
  expect(done).toBe(CALLS);
  await until(() => rig.media.stats()!.sessions === 0 && rig.media.stats()!.dialogs === 0, 'all calls gone', 8000);
  expect(rig.media.stats()).toMatchObject({ sessions: 0, dialogs: 0, rtpPortsInUse: 0, timers: 0, connections: 1, sessionsSinceStart: CALLS });
  await until(() => rig.sip.stats()!.dialogs === 0, 'no dialog left at the SIP server', 8000);
}, 90_000);
