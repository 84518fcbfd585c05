/**
 * The one alarm of a Durable Object, kept lazily.
 *
 * `setAlarm` is a written row, so a time that moves into the future is left alone: the alarm then
 * rings early, finds nothing due and is set again.
 */
export class Alarm {
  #set: number | null | undefined;

  constructor(private readonly storage: Pick<DurableObjectStorage, "getAlarm" | "setAlarm">) {}

  /** Sees to it that the alarm rings at `time` (milliseconds since 1970) or before. */
  async by(time: number | null): Promise<void> {
    if (time === null) return;
    if (this.#set === undefined) {
      const stored = await this.storage.getAlarm();
      // Meanwhile somebody else may have set it.
      if (this.#set === undefined) this.#set = stored;
    }
    if (this.#set !== null && this.#set <= time) return;
    this.#set = time;
    await this.storage.setAlarm(time);
  }

  /** Known to be set, to whatever time. */
  get isSet(): boolean {
    return typeof this.#set === "number";
  }

  /** To be called first in `alarm()`: the alarm that has rung is not set any more. */
  rang(): void {
    this.#set = null;
  }
}
