import { createHash } from 'node:crypto';
import type { RedisCommands } from './client.js';

/**
 * A Lua script that Redis runs as one step. All its keys must share a hash slot, and all it touches must be among
 * them, so that it also runs in a Cluster.
 */
export class LuaScript {
  readonly #source: string;
  readonly #sha1: string;

  constructor(source: string) {
    this.#source = source;
    this.#sha1 = createHash('sha1').update(source).digest('hex');
  }

  /** @returns Redis's answer: number, string, null, or an array of these */
  async run(client: RedisCommands, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const call = { keys: [...keys], arguments: args.map(String) };
    try {
      return await client.evalSha(this.#sha1, call);
    } catch (error) {
      // A server that was restarted, or has just become master, does not know the script yet.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return client.eval(this.#source, call);
    }
  }
}
