/** How far this tab has come in the user's mail and notes. protocol/frames.ts, rule 4. */
import type { MailPosition } from "../../protocol";
import type { Log } from "./log";
import type { SharedValue } from "./shared-value";

/** A position belongs to an instance: one that registers anew has none. */
export interface StoredPosition extends MailPosition {
  instanceId: string;
}

export class MailPositions {
  readonly #stored: SharedValue<StoredPosition>;
  readonly #acknowledge: (position: MailPosition) => boolean;
  readonly #log: Log;
  /** This tab's own. Another tab may be ahead; what it has applied, this one has not. */
  #position: StoredPosition = { instanceId: "" };
  #acknowledged: MailPosition | undefined;

  constructor(
    stored: SharedValue<StoredPosition>,
    /** False when there is no connection. */
    acknowledge: (position: MailPosition) => boolean,
    log: Log,
  ) {
    this.#stored = stored;
    this.#acknowledge = acknowledge;
    this.#log = log;
  }

  /** Before hello: finds this instance's position, and sees to it that what hello says is stored. */
  async prepare(instanceId: string): Promise<void> {
    const fresh = this.#position.instanceId !== instanceId;
    if (fresh) this.#position = { instanceId };
    await this.#store(fresh);
  }

  /** Hello says so. */
  hello(): MailPosition {
    this.#acknowledged = this.#position;
    const { ack, notes } = this.#position;
    return { ack, notes };
  }

  /** False for a repetition. */
  take(kind: keyof MailPosition, seq: number): boolean {
    if (seq <= (this.#position[kind] ?? -1)) return false;
    this.#position = { ...this.#position, [kind]: seq };
    return true;
  }

  /**
   * Stores where this tab is, and then says so to the server. Of many in a row few are written. Notes
   * alone are not worth a frame: the next one says it, or hello.
   */
  async keep(kind: keyof MailPosition): Promise<void> {
    const position = await this.#store();
    if (!position || kind === "notes" || position === this.#acknowledged) return;
    const { ack, notes } = position;
    if (this.#acknowledge({ ack, notes })) this.#acknowledged = position;
  }

  forget(): Promise<void> {
    return this.#stored.change(() => undefined);
  }

  /** What was stored; undefined when that failed. The stored position never goes back. */
  async #store(fresh = false): Promise<StoredPosition | undefined> {
    let position: StoredPosition | undefined;
    try {
      await this.#stored.change((stored) => {
        const { instanceId } = this.#position;
        const before = stored?.instanceId === instanceId ? stored : { instanceId };
        // A slow storage may tell it when this tab has gone on already.
        if (fresh) this.#position = { ...before, ...this.#position };
        position = this.#position;
        const { ack, notes } = position;
        return { instanceId, ack: latest(before.ack, ack), notes: latest(before.notes, notes) };
      });
      return position;
    } catch (error) {
      this.#log("error", "messages", `Not stored: ${error}`);
      return undefined;
    }
  }
}

function latest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || (other ?? -1) > one ? other : one;
}
