/** A client that speaks the protocol by hand and keeps its rules: numbers, acknowledges, comes back, sends again. */
import { randomUUID } from "node:crypto";
import type {
  CallEvent,
  CallOperation,
  ClientFrame,
  ErrorBody,
  RegistrationResult,
  ServerFrame,
} from "../../protocol";
import { mintToken, type Server } from "../support/server";

interface Operation {
  n: number;
  op: CallOperation;
  settle(error: ErrorBody | null): void;
}

/** One user on one device in at most one call. */
export class Client {
  /** What this side was told of its call: each event once, in order. */
  readonly events: CallEvent[] = [];
  /** Repetitions that were put aside, and how often the client came back. */
  readonly seen = { repeated: 0, resumed: 0 };
  callId: string | null = null;
  /** The reason why the server does not want this client any more. */
  refused: ErrorBody | null = null;
  readonly #connectionId = randomUUID();
  #socket: WebSocket | undefined;
  #outbox: Operation[] = [];
  readonly #asked = new Map<number, Operation>();
  #ack = 0;
  #n = 0;
  #id = 0;
  #ready = false;
  #closed = false;

  private constructor(
    readonly userId: string,
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** Registers a user and connects. */
  static async register(server: Server, userId: string): Promise<Client> {
    const { url, applicationKey } = server;
    const answer = await fetch(`${url}/v1/instances`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ applicationKey, userId, token: await mintToken(server, userId) }),
    });
    if (answer.status !== 201) throw new Error(`not registered: ${await answer.text()}`);
    const { instanceToken } = (await answer.json()) as RegistrationResult;
    const client = new Client(userId, url.replace("http", "ws"), instanceToken);
    client.#connect();
    return client;
  }

  get connected(): boolean {
    return this.#ready;
  }

  /** The socket breaks: what was on its way to here is lost. */
  drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.#dropped();
  }

  close(): void {
    this.#closed = true;
    this.drop();
  }

  /** Settles when the server has answered, however often the socket breaks: null, or the error. */
  send(op: CallOperation): Promise<ErrorBody | null> {
    return new Promise((settle) => {
      const operation = { n: ++this.#n, op, settle };
      this.#outbox.push(operation);
      if (this.#ready) this.#post(operation);
    });
  }

  #connect(): void {
    if (this.#closed) return;
    const socket = new WebSocket(`${this.url}/v1/connect`, ["carillon.v1", `token.${this.token}`]);
    this.#socket = socket;
    socket.onopen = () => {
      const calls = this.callId ? [{ callId: this.callId, ack: this.#ack }] : [];
      const state = { listening: true, background: false };
      const connectionId = this.#connectionId;
      this.#say({ type: "hello", versions: [1], connectionId, sdk: "crash", state, calls });
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(String(data)) as ServerFrame);
    socket.onclose = () => this.#dropped();
  }

  #dropped(): void {
    this.#socket = undefined;
    this.#ready = false;
    if (!this.refused) setTimeout(() => this.#connect(), 100);
  }

  #hear(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        if (!this.callId) this.#resend(0);
        return;
      case "refused":
        this.refused = frame.error;
        return;
      case "synced":
        this.seen.resumed += 1;
        this.#resend(frame.n);
        return;
      case "answer":
      case "error":
        this.#answered(frame.id, frame.type === "error" ? frame.error : null);
        return;
      case "call":
        this.callId ??= frame.callId;
        if (frame.callId !== this.callId) throw new Error("a call of somebody else");
        if (frame.seq <= this.#ack) {
          this.seen.repeated += 1;
          return;
        }
        this.#ack = frame.seq;
        this.events.push(frame.event);
    }
  }

  /** After a resume: what lies above `n` was lost. What does not is said twice, which must do no harm. */
  #resend(n: number): void {
    this.#ready = true;
    for (const operation of this.#outbox) this.#post(operation);
    for (const { settle } of this.#outbox.filter((operation) => operation.n <= n)) settle(null);
    this.#outbox = this.#outbox.filter((operation) => operation.n > n);
  }

  #post(operation: Operation): void {
    const { n, op } = operation;
    this.callId ??= randomUUID();
    this.#asked.set(++this.#id, operation);
    this.#say({ type: "call", id: this.#id, callId: this.callId, n, ack: this.#ack, op });
  }

  #answered(id: number | null, error: ErrorBody | null): void {
    const operation = this.#asked.get(id ?? 0);
    if (!operation) throw new Error(`not asked: ${error?.message}`);
    this.#asked.delete(id ?? 0);
    if (!this.#outbox.includes(operation)) return;
    this.#outbox = this.#outbox.filter((other) => other !== operation);
    operation.settle(error);
  }

  #say(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }
}
