import type { Runtime, Timer } from "./runtime";

/** A timer that is set again and again: what it was set for before is forgotten. */
export class Alarm {
  readonly #runtime: Pick<Runtime, "setTimeout" | "clearTimeout">;
  #timer: Timer | undefined;

  constructor(runtime: Pick<Runtime, "setTimeout" | "clearTimeout">) {
    this.#runtime = runtime;
  }

  get isSet(): boolean {
    return this.#timer !== undefined;
  }

  set(ms: number, ring: () => void): void {
    this.clear();
    this.#timer = this.#runtime.setTimeout(() => {
      this.#timer = undefined;
      ring();
    }, ms);
  }

  clear(): void {
    this.#runtime.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
