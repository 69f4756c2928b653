import { randomBytes } from 'node:crypto';

/** Values under random names, of which the oldest make room for new ones. */
export class Recent<T> {
  readonly #values = new Map<string, T>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** @returns the name, fit for an address */
  add(value: T): string {
    const name = randomBytes(24).toString('base64url');
    this.#values.set(name, value);
    const oldest = this.#values.keys().next();
    if (this.#values.size > this.#max && !oldest.done) this.#values.delete(oldest.value);
    return name;
  }

  get(name: string): T | undefined {
    return this.#values.get(name);
  }

  delete(name: string): void {
    this.#values.delete(name);
  }
}
