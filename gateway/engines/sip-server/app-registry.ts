import type { AppConnection } from './app-connection.js';

/** The connected applications, and whose turn it is. */
export class AppRegistry {
  private readonly apps = new Set<AppConnection>();
  private readonly turns = new Map<string, number>();

  get size(): number {
    return this.apps.size;
  }

  add(app: AppConnection): void {
    this.apps.add(app);
  }

  remove(app: AppConnection): void {
    this.apps.delete(app);
  }

  [Symbol.iterator](): Iterator<AppConnection> {
    return this.apps.values();
  }

  /** The next application that wants this verb, round robin; undefined when there is none. */
  next(verb: string): AppConnection | undefined {
    const willing: AppConnection[] = [];
    for (const app of this.apps) if (app.authenticated && !app.gone && app.routes.has(verb)) willing.push(app);
    if (willing.length === 0) return undefined;
    const turn = this.turns.get(verb) ?? 0;
    this.turns.set(verb, (turn + 1) % 1_000_000);
    return willing[turn % willing.length];
  }
}
