/** Where a call is, since when, and how it ended: what `details` and the statistics are made of. */
import type { CallState, CallTimes, EndCause } from "../../protocol";
import { stateOrder } from "./call-types";
import type { CarillonError } from "./errors";
import type { Runtime } from "./runtime";
import type { CallRecord } from "./statistics";

type Step = "progressing" | "ringing" | "answered" | "established";

export class CallProgress {
  state: CallState = "initiating";
  endCause: EndCause = "none";
  error: CarillonError | undefined;
  /** This side has answered, or was answered: it may be ahead of the server, and so of `state`. */
  taken = false;
  /** On this device's clock, for the statistics. */
  readonly here: CallRecord["times"];
  /** From answer(), or from the event that says it, to the first packet. */
  answeredHere: number | undefined;
  firstMedia: number | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly serverNow: () => number,
    /** On the server's clock. */
    public times: CallTimes,
  ) {
    this.here = { started: runtime.now(), ended: 0 };
  }

  get over(): boolean {
    return this.state === "ended";
  }

  reached(state: CallState): boolean {
    return stateOrder.indexOf(this.state) >= stateOrder.indexOf(state);
  }

  /** False when it has been there. */
  advance(state: Step, time: number): boolean {
    if (this.reached(state)) return false;
    this.state = state;
    this.times[state] ??= time;
    if (state !== "progressing") this.here[state] = this.runtime.now();
    return true;
  }

  /** False when it was over. */
  end(cause: EndCause, error?: CarillonError): boolean {
    if (this.over) return false;
    this.state = "ended";
    this.endCause = cause;
    this.error = error;
    this.times.ended ??= this.serverNow();
    this.here.ended = this.runtime.now();
    return true;
  }

  /** Seconds of talk so far. */
  get duration(): number {
    const { established, ended } = this.times;
    return established ? Math.max(0, Math.round(((ended ?? this.serverNow()) - established) / 1_000)) : 0;
  }
}
