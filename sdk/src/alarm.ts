import type { Runtime, Timer } from "./runtime";

/** Above 2^31 ms a timer would ring at once: whoever asks for so much is asked again after an hour. */
const mostMs = 3_600_000;

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
    this.#timer = this.#runtime.setTimeout(
      () => {
        this.#timer = undefined;
        ring();
      },
      Math.min(ms, mostMs),
    );
  }

  /** Settles when the time is over; never, when it is cleared before. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.set(ms, resolve));
  }

  clear(): void {
    this.#runtime.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
