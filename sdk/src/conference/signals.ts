/** What goes to the others in a mesh: that of one moment together, for each operation costs the server a request. */
import { limits, type Signal } from "../../../protocol";
import { Alarm } from "../alarm";
import type { Runtime } from "../runtime";

/** Milliseconds: descriptions and candidates of several connections come a little one after the other. */
const together = 5;
/** UTF-16 units of JSON, which is ASCII here: half a frame. */
const mostCharacters = 60_000;

export class Signals {
  readonly #send: (signals: Signal[]) => void;
  readonly #alarm: Alarm;
  #waiting: Signal[] = [];
  #characters = 0;

  constructor(runtime: Runtime, send: (signals: Signal[]) => void) {
    this.#send = send;
    this.#alarm = new Alarm(runtime);
  }

  add(signal: Signal): void {
    const characters = JSON.stringify(signal).length;
    const full = this.#characters + characters > mostCharacters;
    if (full || this.#waiting.length >= limits.signalsPerFrame) this.#flush();
    this.#waiting.push(signal);
    this.#characters += characters;
    if (!this.#alarm.isSet) this.#alarm.set(together, () => this.#flush());
  }

  close(): void {
    this.#alarm.clear();
  }

  #flush(): void {
    this.#alarm.clear();
    this.#characters = 0;
    const signals = this.#waiting;
    this.#waiting = [];
    if (signals.length > 0) this.#send(signals);
  }
}
