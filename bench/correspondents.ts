/** Those who send and get messages in the benchmark: over Carillon, and over the naive floor. */
import {
  type ClientFrame,
  type MailPosition,
  type ServerFrame,
  subprotocol,
  tokenSubprotocolPrefix,
} from "../protocol";
import { timedUuid } from "../sdk/src/runtime";
import { register } from "./client";
import type { Demo, Program } from "./programs";

/** What is sent, on both sides: 200 bytes. */
const text = "Shall we meet at the station, or is the café nearer? ".padEnd(199, "I can be there at seven. ");

/** What a sender (sent, delivered) or a recipient (incoming) sees of a message. */
export type Moment = "sent" | "incoming" | "delivered";

/** A lowercase UUIDv7, as the SDK makes it. */
export const newId = () => timedUuid({ now: Date.now, uuid: () => crypto.randomUUID() });

/** One user on one socket, who notes when something happened to a message. */
export abstract class Correspondent {
  readonly #happened = new Map<string, number>();
  readonly #awaited = new Map<string, (at: number) => void>();
  #closed = false;

  protected constructor(
    readonly userId: string,
    protected readonly socket: WebSocket,
  ) {
    socket.addEventListener("message", ({ data }) => this.hear(JSON.parse(String(data))));
    socket.addEventListener("close", ({ code }) => {
      if (!this.#closed) throw new Error(`${userId} was closed with ${code}`);
    });
  }

  /** One frame with these messages, all to the same users. */
  abstract send(to: string[], ids: string[]): void;

  protected abstract hear(frame: unknown): void;

  /** When it happened, on the clock of `performance.now()`. To be asked once. */
  when(moment: Moment, id: string): Promise<number> {
    const key = `${moment} ${id}`;
    const at = this.#happened.get(key);
    if (at === undefined) return new Promise((resolve) => this.#awaited.set(key, resolve));
    this.#happened.delete(key);
    return Promise.resolve(at);
  }

  close(): void {
    this.#closed = true;
    this.socket.close();
  }

  protected note(moment: Moment, id: string): void {
    const key = `${moment} ${id}`;
    const tell = this.#awaited.get(key);
    this.#awaited.delete(key);
    if (tell) tell(performance.now());
    else this.#happened.set(key, performance.now());
  }

  protected say(frame: unknown): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }
}

function opened(socket: WebSocket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve(socket));
    socket.addEventListener("error", () => reject(new Error(`no connection to ${socket.url}`)));
  });
}

/** Over Carillon: the bare protocol. It acknowledges each frame of mail. */
export class Ours extends Correspondent {
  #id = 0;
  #welcome: (() => void) | undefined;
  #waitsForAck = false;
  /** What it has got; the position of the next connection. */
  readonly position: MailPosition = {};

  static async connect(
    demo: Demo,
    userId: string,
    token: string,
    position: MailPosition = {},
  ): Promise<Ours> {
    const url = `${demo.url.replace(/^http/, "ws")}/v1/connect`;
    const one = new Ours(userId, new WebSocket(url, [subprotocol, tokenSubprotocolPrefix + token]));
    Object.assign(one.position, position);
    await opened(one.socket);
    const welcomed = new Promise<void>((resolve) => {
      one.#welcome = resolve;
    });
    const state = { listening: true, background: false };
    const connectionId = crypto.randomUUID();
    const mail = position;
    const hello = { versions: [1], connectionId, sdk: "bench", state, calls: [], mail };
    one.say({ type: "hello", ...hello } satisfies ClientFrame);
    await welcomed;
    return one;
  }

  static async open(demo: Demo, userId: string): Promise<Ours> {
    return Ours.connect(demo, userId, (await register(demo, userId)).instanceToken);
  }

  override send(to: string[], ids: string[]): void {
    const messages = ids.map((id) => ({ id, to, text, headers: {} }));
    this.say({ type: "send", id: ++this.#id, messages } satisfies ClientFrame);
  }

  protected override hear(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        this.#welcome?.();
        return;
      case "mail":
        for (const { id, seq } of frame.messages) {
          this.position.ack = seq;
          this.note("incoming", id);
        }
        this.#acknowledge();
        return;
      case "notes":
        for (const note of frame.notes) {
          this.position.notes = note.seq;
          if (note.note === "delivered") this.note("delivered", note.id);
        }
        return;
      case "answer":
        if ("results" in frame.result)
          for (const { id, error, failed } of frame.result.results) {
            if (error || failed.length > 0) throw new Error(JSON.stringify({ id, error, failed }));
            this.note("sent", id);
          }
        return;
      case "error":
      case "refused":
        throw new Error(`${this.userId}: ${JSON.stringify(frame.error)}`);
    }
  }

  /** Once for what arrived together. Notes that were told live need none of their own. */
  #acknowledge(): void {
    if (this.#waitsForAck) return;
    this.#waitsForAck = true;
    setImmediate(() => {
      this.#waitsForAck = false;
      this.say({ type: "ack", calls: [], mail: this.position } satisfies ClientFrame);
    });
  }
}

/** What the floor tells: `bench/floor/mailbox.ts`. */
type FloorFrame = { sent: string } | { incoming: { id: string; from: string } } | { delivered: string };

/** Over the naive floor. */
export class Naive extends Correspondent {
  /** Whether it tells the sender that it has a message. */
  acknowledges = false;
  /** Whether only the recipient's object writes a row. */
  oneRow = false;

  static async open(floor: Program, userId: string): Promise<Naive> {
    const one = new Naive(userId, new WebSocket(`${floor.url.replace(/^http/, "ws")}/mailbox/${userId}`));
    await opened(one.socket);
    return one;
  }

  /** It knows no frame with several messages. */
  override send(to: string[], ids: string[]): void {
    const { oneRow } = this;
    for (const id of ids) this.say({ send: { id, from: this.userId, to, text, oneRow } });
  }

  protected override hear(frame: FloorFrame): void {
    if ("sent" in frame) this.note("sent", frame.sent);
    else if ("delivered" in frame) this.note("delivered", frame.delivered);
    else {
      const { id, from } = frame.incoming;
      this.note("incoming", id);
      if (this.acknowledges) this.say({ has: { id, from } });
    }
  }
}
