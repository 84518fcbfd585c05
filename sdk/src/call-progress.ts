/** Where a call is, since when, and how it ended: what `details` and the statistics are made of. */
import type { CallState, CallStatistics, CallTimes, EndCause } from "../../protocol";
import { stateOrder } from "./call-types";
import type { CarillonError } from "./errors";
import type { Runtime } from "./runtime";

type Step = "progressing" | "ringing" | "answered" | "established";

export class CallProgress {
  readonly #runtime: Runtime;
  readonly #serverNow: () => number;
  /** On the server's clock. */
  times: CallTimes;
  state: CallState = "initiating";
  endCause: EndCause = "none";
  error: CarillonError | undefined;
  /** This side has answered, or was answered: it may be ahead of the server, and so of `state`. */
  taken = false;
  /** For the statistics, as are the next two: on this device's clock. */
  readonly setup: CallStatistics["setup"] = { ended: 0 };
  mediaAfterAnswer: number | undefined;
  readonly #started: number;
  #answeredAt = 0;

  constructor(runtime: Runtime, serverNow: () => number, times: CallTimes) {
    this.times = times;
    this.#runtime = runtime;
    this.#serverNow = serverNow;
    this.#started = runtime.now();
  }

  get over(): boolean {
    return this.state === "ended";
  }

  reached(state: CallState): boolean {
    return stateOrder.indexOf(this.state) >= stateOrder.indexOf(state);
  }

  /** On either side's word. */
  get answered(): boolean {
    return this.taken || this.reached("answered");
  }

  /** False when it has been there. */
  advance(state: Step, time: number): boolean {
    if (this.reached(state)) return false;
    this.state = state;
    this.times[state] ??= time;
    if (state !== "progressing") this.setup[state] = this.#since(this.#started);
    return true;
  }

  /** False when it was over. */
  end(cause: EndCause, error?: CarillonError): boolean {
    if (this.over) return false;
    this.state = "ended";
    this.endCause = cause;
    this.error = error;
    this.times.ended ??= this.#serverNow();
    this.setup.ended = this.#since(this.#started);
    return true;
  }

  /** answer() was called, or the event came that says it. */
  answers(): void {
    this.#answeredAt = this.#runtime.now();
  }

  /** Media comes in. */
  hears(): void {
    this.mediaAfterAnswer ??= this.#since(this.#answeredAt);
  }

  /** Seconds of talk so far. */
  get duration(): number {
    const { established, ended } = this.times;
    return established ? Math.max(0, Math.round(((ended ?? this.#serverNow()) - established) / 1_000)) : 0;
  }

  #since(time: number): number {
    return Math.max(0, Math.round(this.#runtime.now() - time));
  }
}
