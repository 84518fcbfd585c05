/** A few values, each until its time; the oldest makes room. */
export class Remembered<Value> {
  readonly #values = new Map<string, { value: Value; until: number }>();
  /** The last that was asked for, of each that is under way. */
  readonly #asked = new Map<string, symbol>();

  constructor(private readonly most: number) {}

  /** `now` and `until` are milliseconds since 1970. */
  get(name: string, now: number): Value | undefined {
    const found = this.#values.get(name);
    if (!found || found.until > now) return found?.value;
    this.#values.delete(name);
    return undefined;
  }

  /** Before a value is read that may change meanwhile: it is kept with {@link keepAsked}. */
  ask(name: string): symbol {
    const asked = Symbol(name);
    this.#asked.set(name, asked);
    return asked;
  }

  /** Unless somebody has asked later, or what there was is to be forgotten since. */
  keepAsked(asked: symbol, name: string, value: Value, until: number): void {
    if (this.#asked.get(name) !== asked) return;
    this.#asked.delete(name);
    this.keep(name, value, until);
  }

  keep(name: string, value: Value, until: number): void {
    this.#values.delete(name);
    const oldest = this.#values.keys().next().value;
    if (this.#values.size >= this.most && oldest !== undefined) this.#values.delete(oldest);
    this.#values.set(name, { value, until });
  }

  forget(name: string): void {
    this.#asked.delete(name);
    this.#values.delete(name);
  }
}
