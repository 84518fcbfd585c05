/** A few values, each until its time; the oldest makes room. */
export class Remembered<Value> {
  readonly #values = new Map<string, { value: Value; until: number }>();

  constructor(private readonly most: number) {}

  /** `now` and `until` are milliseconds since 1970. */
  get(name: string, now: number): Value | undefined {
    const found = this.#values.get(name);
    if (!found || found.until > now) return found?.value;
    this.#values.delete(name);
    return undefined;
  }

  keep(name: string, value: Value, until: number): void {
    this.#values.delete(name);
    const oldest = this.#values.keys().next().value;
    if (this.#values.size >= this.most && oldest !== undefined) this.#values.delete(oldest);
    this.#values.set(name, { value, until });
  }

  forget(name: string): void {
    this.#values.delete(name);
  }
}
