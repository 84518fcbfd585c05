/**
 * The move from a mesh to the SFU: when a connection of the mesh may go. Not before both sides hear each other
 * through the SFU, so that neither hears a gap.
 */

import { Alarm } from "../alarm";
import type { Runtime } from "../runtime";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  /** Both hear each other: the one who said so last may need a moment to play it. */
  after = 1_000,
  /** Who sends nothing is never heard. */
  most = 30_000,
}

export interface OverlapHooks {
  /** This side hears that one through the SFU. */
  tell(id: string): void;
  close(id: string): void;
}

export class Overlap {
  readonly #runtime: Runtime;
  readonly #hooks: OverlapHooks;
  readonly #open = new Map<string, { alarm: Alarm; here: boolean; there: boolean }>();

  constructor(runtime: Runtime, hooks: OverlapHooks) {
    this.#runtime = runtime;
    this.#hooks = hooks;
  }

  begin(ids: Iterable<string>): void {
    for (const id of ids) {
      const alarm = new Alarm(this.#runtime);
      this.#open.set(id, { alarm, here: false, there: false });
      alarm.set(timers.most, () => this.#close(id));
    }
  }

  /** `here`: this side hears that one through the SFU; otherwise that one says that it hears this one. */
  heard(id: string, here: boolean): void {
    const pair = this.#open.get(id);
    if (!pair || pair[here ? "here" : "there"]) return;
    pair[here ? "here" : "there"] = true;
    if (here) this.#hooks.tell(id);
    if (!pair.here || !pair.there) return;
    pair.alarm.clear();
    pair.alarm.set(timers.after, () => this.#close(id));
  }

  /** That one has left. */
  forget(id: string): void {
    this.#open.get(id)?.alarm.clear();
    this.#open.delete(id);
  }

  end(): void {
    for (const id of [...this.#open.keys()]) this.forget(id);
  }

  #close(id: string): void {
    this.forget(id);
    this.#hooks.close(id);
  }
}
