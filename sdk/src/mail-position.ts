/** How far this tab has come in the user's mail and notes. protocol/frames.ts, rule 4. */
import type { MailPosition } from "../../protocol";
import type { Log } from "./log";
import type { SharedValue } from "./shared-value";

/** A position belongs to an instance: one that registers anew has none. */
export interface StoredPosition extends MailPosition {
  instanceId: string;
}

export class MailPositions {
  /** This tab's own. Another tab may be ahead; what it has applied, this one has not. */
  #position: MailPosition = {};
  #instanceId = "";
  #acknowledged: MailPosition = {};

  constructor(
    private readonly stored: SharedValue<StoredPosition>,
    /** False when there is no connection. */
    private readonly acknowledge: (position: MailPosition) => boolean,
    private readonly log: Log,
  ) {}

  /** For hello. */
  get position(): MailPosition {
    return this.#position;
  }

  /** Before hello: finds this instance's position, and sees to it that what hello says is stored. */
  async prepare(instanceId: string): Promise<void> {
    const fresh = this.#instanceId !== instanceId;
    if (fresh) {
      this.#instanceId = instanceId;
      this.#position = {};
    }
    await this.#store((stored) => {
      if (fresh) this.#position = { ack: stored.ack, notes: stored.notes };
    });
    this.#acknowledged = this.#position;
  }

  /** False for a repetition. */
  take(kind: keyof MailPosition, seq: number): boolean {
    if (seq <= (this.#position[kind] ?? -1)) return false;
    this.#position = { ...this.#position, [kind]: seq };
    return true;
  }

  /** Stores where this tab is, and then says so to the server. Of many in a row few are written. */
  async keep(): Promise<void> {
    const position = await this.#store();
    const { ack, notes } = this.#acknowledged;
    if (!position || (position.ack === ack && position.notes === notes)) return;
    if (this.acknowledge(position)) this.#acknowledged = position;
  }

  async forget(): Promise<void> {
    await this.stored.change(() => undefined);
  }

  /** What was stored; undefined when that failed. */
  async #store(read?: (stored: MailPosition) => void): Promise<MailPosition | undefined> {
    let position: MailPosition | undefined;
    try {
      await this.stored.change((stored) => {
        const instanceId = this.#instanceId;
        const before: MailPosition = stored?.instanceId === instanceId ? stored : {};
        read?.(before);
        position = this.#position;
        const ack = latest(before.ack, position.ack);
        const notes = latest(before.notes, position.notes);
        // Nothing new; and a position of another instance stays until this one has its own.
        return ack === before.ack && notes === before.notes ? stored : { instanceId, ack, notes };
      });
      return position;
    } catch (error) {
      this.log("error", "messages", `The position was not stored: ${String(error)}`);
      return undefined;
    }
  }
}

function latest(one = -1, other = -1): number | undefined {
  const seq = Math.max(one, other);
  return seq < 0 ? undefined : seq;
}
