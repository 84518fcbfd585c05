/** A client that speaks the protocol by hand, so that a test sees every frame of it. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { CallSession } from "../../durable-objects/call-session/call-session";
import type { Env } from "../../durable-objects/env";
import { callSession, userHub } from "../../durable-objects/names";
import type { NewInstance, UserAddress } from "../../durable-objects/user-hub/rpc";
import type {
  CallEvent,
  CallFrame,
  CallOperation,
  CallPosition,
  ClientFrame,
  MailMessage,
  MailPosition,
  Note,
  OutgoingMessage,
  SendOutcome,
  SendResult,
  ServerFrame,
} from "../../protocol";

export const bindings = env as unknown as Env;
export const application = "196087a1-e815-4bc4-8984-60d8d8a43f1d";

export const offer = { type: "offer", sdp: "v=0 offer" } as const;
export const answer: CallOperation = {
  op: "answer",
  description: { type: "answer", sdp: "v=0 answer" },
  candidates: [],
};
export const flowing: CallOperation = { op: "flowing", flowing: true };
export const ringing: CallOperation = { op: "ringing" };
export const hangup: CallOperation = { op: "hangup" };

let sequence = 0;

/** Registers an instance of a user with its hub, as the Worker does after checking a signature. */
export async function register(
  userId: string,
  applicationKey = application,
  more: Partial<Pick<NewInstance, "deviceId" | "instanceExpires">> = {},
): Promise<string> {
  sequence += 1;
  const result = await userHub(bindings, { applicationKey, userId }).register({
    user: { applicationKey, userId },
    proof: { kind: "nonce", nonce: `n${sequence}`, expires: Number.MAX_SAFE_INTEGER },
    reference: "test",
    ...more,
  });
  if (!result.ok) throw new Error(result.error.name);
  return result.value.instanceId;
}

/** A fresh user name, so that tests do not meet. */
export function someone(name: string): string {
  sequence += 1;
  return `${name}-${sequence}`;
}

/** A request without its id. */
type Unnumbered<F> = F extends unknown ? Omit<F, "id"> : never;
type Matching<F, T> = F extends { type: T } ? F : never;

export class Peer {
  readonly frames: ServerFrame[] = [];
  closed: { code: number } | null = null;
  #waiting: (() => void)[] = [];
  #id = 0;
  readonly #n = new Map<string, number>();
  #socket!: WebSocket;

  private constructor(
    readonly user: UserAddress,
    readonly instanceId: string,
    readonly connectionId: string,
  ) {}

  /** Connects, and with `hello` (the default) says hello and waits for the welcome. */
  static async connect(
    userId: string,
    options: {
      instanceId?: string;
      connectionId?: string;
      applicationKey?: string;
      calls?: CallPosition[];
      listening?: boolean;
      background?: boolean;
      hello?: boolean;
      /** Undefined: from the beginning; null: takes no messages. */
      mail?: MailPosition | null;
    } = {},
  ): Promise<Peer> {
    const { applicationKey = application, connectionId = crypto.randomUUID(), calls = [] } = options;
    const instanceId = options.instanceId ?? (await register(userId, applicationKey));
    const peer = new Peer({ applicationKey, userId }, instanceId, connectionId);
    await peer.#open();
    if (options.hello === false) return peer;
    const { listening = true, background = false } = options;
    peer.say({
      type: "hello",
      versions: [1],
      connectionId,
      sdk: "test",
      state: { listening, background },
      calls,
      ...(options.mail !== null && { mail: options.mail ?? {} }),
    });
    await peer.frame("welcome");
    return peer;
  }

  /** The same tab on a new socket. */
  again(calls: CallPosition[] = [], mail: MailPosition = {}): Promise<Peer> {
    const { userId, applicationKey } = this.user;
    const { instanceId, connectionId } = this;
    return Peer.connect(userId, { instanceId, connectionId, applicationKey, calls, mail });
  }

  async #open(): Promise<void> {
    const claims = { ...this.user, instanceId: this.instanceId, reference: "test" };
    const response = await userHub(bindings, this.user).fetch("https://hub/v1/connect", {
      headers: { upgrade: "websocket", "x-carillon-claims": JSON.stringify(claims) },
    });
    const socket = response.webSocket;
    if (!socket) throw new Error("no socket");
    this.#socket = socket;
    socket.accept();
    socket.addEventListener("message", ({ data }) => {
      this.frames.push(JSON.parse(String(data)) as ServerFrame);
      this.#wake();
    });
    socket.addEventListener("close", ({ code }) => {
      this.closed = { code };
      this.#wake();
    });
  }

  say(frame: ClientFrame): void {
    this.raw(JSON.stringify(frame));
  }

  raw(text: string | ArrayBuffer): void {
    this.#socket.send(text);
  }

  close(): void {
    this.#socket.close(1000, "bye");
  }

  /** Sends an operation and waits for its answer. */
  async call(callId: string, op: CallOperation, how: { n?: number; ack?: number; origin?: string } = {}) {
    const n = how.n ?? (this.#n.get(callId) ?? 0) + 1;
    this.#n.set(callId, n);
    const { origin, ack = 0 } = how;
    return this.request({ type: "call", callId, origin, n, ack, op });
  }

  start(to: string, more: Partial<Extract<CallOperation, { op: "start" }>> = {}) {
    const callId = crypto.randomUUID();
    const answered = this.call(callId, { op: "start", to, video: false, headers: {}, offer, ...more });
    return { callId, answered };
  }

  async request(frame: Unnumbered<Extract<ClientFrame, { id: number }>>) {
    const id = ++this.#id;
    this.raw(JSON.stringify({ ...frame, id }));
    return this.when((one) =>
      (one.type === "answer" || one.type === "error") && one.id === id ? one : undefined,
    );
  }

  frame<T extends ServerFrame["type"]>(type: T): Promise<Matching<ServerFrame, T>> {
    return this.when((one) => (one.type === type ? (one as Matching<ServerFrame, T>) : undefined));
  }

  /** Waits for an event of a call (of any call without an id). */
  async event<E extends CallEvent["event"]>(name: E, callId?: string) {
    const frame = await this.when((one) =>
      one.type === "call" && one.event.event === name && (!callId || one.callId === callId) ? one : undefined,
    );
    return {
      ...(frame.event as Extract<CallEvent, { event: E }>),
      callId: frame.callId,
      seq: frame.seq,
      origin: frame.origin,
    };
  }

  /** Sends messages and waits for what became of them. */
  async send(...messages: Partial<OutgoingMessage>[]): Promise<SendOutcome[]> {
    const reply = await this.request({ type: "send", messages: messages.map(messageOf) });
    if (reply.type === "error") throw new Error(reply.error.message);
    return (reply.result as SendResult).results;
  }

  /** The messages so far. */
  get mail(): MailMessage[] {
    return this.frames.flatMap((one) => (one.type === "mail" ? one.messages : []));
  }

  get notes(): Note[] {
    return this.frames.flatMap((one) => (one.type === "notes" ? one.notes : []));
  }

  /** Waits for the message with this text. */
  incoming(text: string): Promise<MailMessage> {
    return this.when((one) =>
      one.type === "mail" ? one.messages.find((message) => message.text === text) : undefined,
    );
  }

  async note<N extends Note["note"]>(name: N, id?: string): Promise<Extract<Note, { note: N }>> {
    const note = await this.when((one) =>
      one.type === "notes"
        ? one.notes.find((other) => other.note === name && (!id || idOf(other) === id))
        : undefined,
    );
    return note as Extract<Note, { note: N }>;
  }

  /** Everything so far is acknowledged. */
  acknowledge(): void {
    const mail = { ack: this.mail.at(-1)?.seq ?? 0, notes: this.notes.at(-1)?.seq ?? 0 };
    this.say({ type: "ack", calls: [], mail });
  }

  /** The events of a call so far, by name. */
  events(callId: string): string[] {
    return this.callFrames(callId).map(({ event }) => event.event);
  }

  callFrames(callId: string): CallFrame[] {
    return this.frames.flatMap((one) => (one.type === "call" && one.callId === callId ? [one] : []));
  }

  async when<T>(find: (frame: ServerFrame) => T | undefined): Promise<T> {
    for (;;) {
      for (const frame of this.frames) {
        const found = find(frame);
        if (found !== undefined) return found;
      }
      if (this.closed)
        throw new Error(`closed with ${this.closed.code}; heard ${JSON.stringify(this.frames)}`);
      await this.#next();
    }
  }

  async untilClosed(): Promise<number> {
    while (!this.closed) await this.#next();
    return this.closed.code;
  }

  /** Everything sent to this socket before has arrived: a request has been answered after it. */
  async settled(): Promise<void> {
    await this.request({ type: "presence", userId: this.user.userId });
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A UUIDv7 of now, or of another time. */
export function messageId(time = Date.now()): string {
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

export function messageOf(given: Partial<OutgoingMessage>): OutgoingMessage {
  return { id: messageId(), to: [], text: "hello", headers: {}, ...given };
}

function idOf(note: Note): string {
  return note.note === "sent" ? note.message.id : note.id;
}

/** Moves a hub's clock and lets its alarm ring. Answers whether one was set. */
export async function hubLater(user: UserAddress, milliseconds: number): Promise<boolean> {
  const hub = userHub(bindings, user);
  await runInDurableObject(hub, (object) => {
    const { clock } = object;
    object.clock = () => clock() + milliseconds;
  });
  return runDurableObjectAlarm(hub);
}

/** Moves a session's clock and lets its alarm ring. */
export async function later(session: DurableObjectStub<CallSession>, milliseconds: number): Promise<void> {
  await runInDurableObject(session, (object) => {
    const { clock } = object;
    object.clock = () => clock() + milliseconds;
  });
  await runDurableObjectAlarm(session);
}

/** An established call between two fresh users. */
export async function established(names: [string, string] = ["alice", "bob"]) {
  const alice = await Peer.connect(someone(names[0]));
  const bob = await Peer.connect(someone(names[1]));
  const { callId, answered } = alice.start(bob.user.userId);
  await answered;
  await bob.event("incoming", callId);
  await bob.call(callId, ringing);
  await bob.call(callId, answer);
  await alice.event("answered", callId);
  await alice.call(callId, flowing);
  await bob.call(callId, flowing);
  await Promise.all([alice.event("established", callId), bob.event("established", callId)]);
  return { alice, bob, callId, session: callSession(bindings, application, callId) };
}
