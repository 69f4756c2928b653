/**
 * The phones of the demo's agents: each rings where the configuration says the agent's phone is, and answers by itself.
 * In processes of their own, as real phones would be. An address that is taken is left alone: it may be a softphone.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Config } from '../../config/index.js';

export class DemoPhones {
  private constructor(private readonly children: ChildProcess[]) {}

  /** Starts a phone for each agent whose phone is on this machine. Returns at once; a phone is up within a second. */
  static start(config: Config, log: Logger): DemoPhones {
    const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'leashed-phone.js');
    const children = config.tenants.flatMap((tenant) => tenant.agents).flatMap((agent) => {
      const address = /@(127\.\d+\.\d+\.\d+:\d+)/.exec(agent.phone)?.[1];
      if (address === undefined || !existsSync(program)) return [];
      const child = spawn(process.execPath, [program, '--answer', '--json', '--listen', address], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] });
      child.on('error', (error) => log.warn({ agent: agent.name, problem: error.message }, 'no demo phone for this agent'));
      child.on('exit', (code) => {
        if (code) log.info({ agent: agent.name, address }, 'no demo phone for this agent: its address is taken, perhaps by your softphone');
      });
      child.stdout?.resume();
      return [child];
    });
    return new DemoPhones(children);
  }

  /** Hangs up and ends the phones. */
  async stop(): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
        await gone;
        clearTimeout(timer);
      }),
    );
  }
}
