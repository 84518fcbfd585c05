import type { Alarm } from "../../core/scheduler";
import type { Line } from "./line";

interface Means extends Pick<Line, "clock" | "log"> {
  /** When something is due, milliseconds since 1970. */
  due(): number[];
  waitUntil(work: Promise<unknown>): void;
}

/** Sets a leg's alarm for what is due next. */
export class Waker {
  readonly #alarm: Alarm;
  readonly #means: Means;
  #ringing = false;

  constructor(alarm: Alarm, means: Means) {
    this.#alarm = alarm;
    this.#means = means;
  }

  /** The time at which something is due may have changed. */
  wake(): void {
    const { due, waitUntil } = this.#means;
    if (!this.#ringing) waitUntil(this.#alarm.by(earliest(due())));
  }

  /** The alarm has rung: `work` does what is due. Whatever goes wrong in it, the alarm does not ring all the time. */
  rang(work: () => void): void {
    const { clock, due, waitUntil, log } = this.#means;
    this.#alarm.rang();
    this.#ringing = true;
    try {
      work();
    } finally {
      this.#ringing = false;
      const [now, next] = [clock(), earliest(due())];
      const overdue = next !== null && next <= now;
      if (overdue) log("warn", "sip.overdue", { ms: now - next });
      waitUntil(this.#alarm.by(overdue ? now + 1_000 : next));
    }
  }
}

function earliest(times: number[]): number | null {
  return times.length > 0 ? Math.min(...times) : null;
}
