/**
 * One call's share of the connection: what this side tells it is numbered and kept until it is
 * known to be applied; what it tells this side is taken once. Nothing is lost or doubled, however
 * often the socket drops.
 */
import type { CallFrame, CallOperation, CallPosition, Synced } from "../../protocol";
import type { Connection, Reply } from "./connection";

interface Operation {
  n: number;
  op: CallOperation;
  /** On the present socket. */
  sent: boolean;
  settle(reply: Reply): void;
}

export class CallChannel {
  readonly callId: string;
  readonly origin: string | undefined;
  readonly #connection: Pick<Connection, "post">;
  #n = 0;
  #ack = 0;
  /** What the other end may know of this call, so that it belongs into hello. */
  #known: boolean;
  #syncing = false;
  #outbox: Operation[] = [];

  constructor(
    callId: string,
    origin: string | undefined,
    incoming: boolean,
    connection: Pick<Connection, "post">,
  ) {
    this.callId = callId;
    this.origin = origin;
    this.#connection = connection;
    this.#known = incoming;
  }

  /** Nothing is on its way. */
  get idle(): boolean {
    return this.#outbox.length === 0;
  }

  get position(): CallPosition {
    return { callId: this.callId, origin: this.origin, ack: this.#ack };
  }

  /** A description of this side is on its way: another one would only pile up. */
  get describing(): boolean {
    return this.#outbox.some(({ op }) => op.op === "description");
  }

  /** Settles when the server has answered, or has said after a resume that it applied the operation. */
  send(op: CallOperation): Promise<Reply> {
    return new Promise((settle) => {
      this.#outbox.push({ n: ++this.#n, op, sent: false, settle });
      this.#flush();
    });
  }

  /** Forgets what the server never saw; true if it then knows nothing of this call. */
  discard(): boolean {
    if (this.#known) return false;
    this.#outbox = [];
    return true;
  }

  /** The position for hello, and from here on operations wait for the answer to it. */
  resume(): CallPosition | undefined {
    if (!this.#known) return undefined;
    this.#syncing = true;
    return this.position;
  }

  /** After welcome: what went out on the socket before may not have arrived. */
  online(): void {
    for (const operation of this.#outbox) operation.sent = false;
    this.#flush();
  }

  /** After a resume. False when the server knows no such call, and has known it before. */
  synced(frame: Synced): boolean {
    this.#syncing = false;
    const starting = this.#outbox[0]?.op.op === "start";
    if (frame.unknown && !starting) return false;
    // A hangup is sent again: its answer says what the call has cost.
    this.#outbox = this.#outbox.filter(({ n, op, settle }) => {
      const stays = n > frame.n || op.op === "hangup";
      if (!stays) settle({ ok: true, value: {} });
      return stays;
    });
    this.#flush();
    return true;
  }

  /** False for a repetition. */
  accept(frame: CallFrame): boolean {
    if (frame.seq <= this.#ack) return false;
    this.#ack = frame.seq;
    this.#known = true;
    return true;
  }

  #flush(): void {
    if (this.#syncing) return;
    for (const operation of this.#outbox) {
      if (operation.sent) continue;
      const frame = { type: "call" as const, ...this.position, n: operation.n, op: operation.op };
      if (!this.#connection.post(frame, (reply) => this.#reply(operation, reply))) return;
      operation.sent = true;
      this.#known = true;
    }
  }

  #reply(operation: Operation, reply: Reply): void {
    this.#outbox = this.#outbox.filter((other) => other !== operation);
    operation.settle(reply);
  }
}
