/** The bench's side of the load generator. */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command, FromLoad, Results, ToLoad } from './protocol.js';

export class LoadGenerator {
  private nextId = 1;
  private readonly asked = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();

  private constructor(private readonly child: ChildProcess, readonly agentsSip: string) {
    child.on('message', (message: FromLoad) => {
      if ('ready' in message) return;
      const asked = this.asked.get(message.id);
      this.asked.delete(message.id);
      if ('problem' in message) asked?.reject(new Error(`load generator: ${message.problem}`));
      else asked?.resolve(message.result as never);
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.asked.values()) reject(new Error(`the load generator ended with ${signal ?? `code ${code}`}`));
      this.asked.clear();
    });
  }

  static start(): Promise<LoadGenerator> {
    const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'process.js');
    const child = fork(program, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: ['--enable-source-maps'] });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the load generator did not start (code ${code})`)));
      child.once('message', (message: FromLoad) => {
        if ('ready' in message) resolve(new LoadGenerator(child, message.ready.agentsSip));
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  ask<K extends Command['do']>(command: Extract<Command, { do: K }>): Promise<Results[K]> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      this.asked.set(id, { resolve: resolve, reject });
      this.child.send({ id, command } satisfies ToLoad);
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    this.child.disconnect();
    await gone;
    clearTimeout(timer);
  }
}
