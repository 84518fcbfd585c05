/** What the person has read, until the server knows it or the page is gone. */
import { limits, type ReadMessages } from "../../protocol";
import type { Connection } from "./connection";
import type { Log } from "./log";
import { isTemporary } from "./outgoing";
import type { Runtime, Timer } from "./runtime";

type Read = ReadMessages["messages"][number];

const againMs = 5_000;

export class Reads {
  readonly #waiting = new Map<string, Read>();
  #underWay = false;
  #again: Timer | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly connection: Pick<Connection, "post">,
    private readonly log: Log,
  ) {}

  add(reads: Read[]): void {
    for (const read of reads) this.#waiting.set(`${read.from}/${read.id}`, read);
    this.flush();
  }

  flush(): void {
    if (this.#underWay || this.#again !== undefined) return;
    const batch = [...this.#waiting].slice(0, limits.readsPerFrame);
    if (batch.length === 0) return;
    const messages = batch.map(([, read]) => read);
    this.#underWay = this.connection.post({ type: "read", messages }, (reply) => {
      this.#underWay = false;
      if (!reply.ok && isTemporary(reply.error)) {
        this.#wait(reply.error.retryAfter);
        return;
      }
      if (!reply.ok) this.log("error", "messages", `Not marked as read: ${reply.error.message}`);
      for (const [key] of batch) this.#waiting.delete(key);
      this.flush();
    });
  }

  offline(): void {
    this.#underWay = false;
  }

  close(): void {
    this.#waiting.clear();
    this.runtime.clearTimeout(this.#again);
  }

  #wait(seconds = againMs / 1_000): void {
    this.#again = this.runtime.setTimeout(() => {
      this.#again = undefined;
      this.flush();
    }, seconds * 1_000);
  }
}
