/** What goes to the others in a mesh: that of one moment together, for each operation costs the server a request. */
import { type ErrorBody, limits, type Signal } from "../../../protocol";
import { Alarm } from "../alarm";
import type { Runtime } from "../runtime";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  /** Descriptions and candidates of several connections come a little one after the other. */
  together = 5,
  /** Before what was refused goes out again. */
  again = 1_000,
}
/** UTF-16 units of JSON, which is ASCII here: half a frame. */
const mostCharacters = 60_000;
/** What is refused so often is given up. */
const mostTries = 5;

interface Batch {
  signals: Signal[];
  tries: number;
}

export class Signals {
  readonly #send: (signals: Signal[]) => Promise<ErrorBody | undefined>;
  readonly #alarm: Alarm;
  readonly #again: Alarm;
  #waiting: Signal[] = [];
  #characters = 0;
  /** In order: what comes later waits behind what was refused. */
  #held: Batch[] = [];

  /** `send` settles with the error of what was refused. */
  constructor(runtime: Runtime, send: (signals: Signal[]) => Promise<ErrorBody | undefined>) {
    this.#send = send;
    this.#alarm = new Alarm(runtime);
    this.#again = new Alarm(runtime);
  }

  add(signal: Signal): void {
    const characters = JSON.stringify(signal).length;
    const full = this.#characters + characters > mostCharacters;
    if (full || this.#waiting.length >= limits.signalsPerFrame) this.#flush();
    this.#waiting.push(signal);
    this.#characters += characters;
    if (!this.#alarm.isSet) this.#alarm.set(timers.together, () => this.#flush());
  }

  close(): void {
    this.#alarm.clear();
    this.#again.clear();
    this.#held = [];
  }

  #flush(): void {
    this.#alarm.clear();
    this.#characters = 0;
    const signals = this.#waiting;
    this.#waiting = [];
    if (signals.length === 0) return;
    if (this.#again.isSet) this.#held.push({ signals, tries: 0 });
    else void this.#post({ signals, tries: 0 });
  }

  async #post({ signals, tries }: Batch): Promise<void> {
    const error = await this.#send(signals);
    if (!error || tries + 1 >= mostTries) return;
    this.#held.push({ signals, tries: tries + 1 });
    if (this.#again.isSet) return;
    this.#again.set(timers.again, () => {
      for (const batch of this.#held.splice(0)) void this.#post(batch);
    });
  }
}
