/** The active connection: one WebSocket that comes back by itself. The rules are in protocol/frames.ts. */
// biome-ignore-all lint/suspicious/noDuplicateEnumValues: these are numbers, not cases.
import {
  type Ack,
  type CallFrame,
  type ClientFrame,
  closeCodes,
  type ErrorBody,
  type Goodbye,
  type Hello,
  limits,
  type MailFrame,
  type NotesFrame,
  protocolVersions,
  type Relay,
  type Result,
  type ServerFrame,
  type Synced,
  subprotocol,
  type Typing,
  type TypingFrame,
  tokenSubprotocolPrefix,
  type Welcome,
} from "../../protocol";
import { Alarm } from "./alarm";
import { CarillonError, isUnauthorized, makeError, must, toError } from "./errors";
import type { Log } from "./log";
import type { Runtime, Socket } from "./runtime";
import { parse } from "./values";
import { sdkVersion } from "./version";

/** A frame with an id, before it has one. */
type WithoutId<F> = F extends { id: number } ? Omit<F, "id"> : never;
export type RequestFrame = WithoutId<ClientFrame>;
export type Reply = Result<object>;

export interface ConnectionOptions {
  runtime: Runtime;
  log: Log;
  url: string;
  /** The token to connect with. A rejection is final. */
  token(): Promise<string>;
  /** The server refused the token: replace it. A rejection is final. */
  unauthorized(): Promise<void>;
  /** What hello says, at the moment when it is sent. */
  hello(): Pick<Hello, "state" | "calls" | "mail">;
  onOnline(welcome: Welcome): void;
  onOffline(): void;
  onFrame(frame: CallFrame | Synced | MailFrame | NotesFrame | TypingFrame): void;
  /** It does not come back any more. */
  onFailed(error: CarillonError): void;
}

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  backoffFirst = 250,
  backoffMost = 15_000,
  /** Seconds: after far too many frames. */
  busy = 8,
  welcome = 10_000,
  pong = 10_000,
  /** After `online` or `visible` a dead socket is likely and somebody is waiting. */
  urgentPong = 3_000,
  /** A socket that lived shorter does not count as a success: no quick loop against a failing server. */
  stable = 5_000,
  request = 15_000,
}

interface Pending {
  frame: ClientFrame;
  /** Idempotent: sent again on a new socket. Call operations are the call channel's business. */
  again: boolean;
  reply(reply: Reply): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #connectionId: string;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #wanted = false;
  #welcomed = false;
  #refusal: ErrorBody | undefined;
  #attempt = 0;
  #nextId = 1;
  #welcomedAt = 0;
  readonly #retry: Alarm;
  /** Until then something has to be heard. */
  readonly #deadline: Alarm;
  readonly #ping: Alarm;
  /** Set while a token is fetched, so that two triggers do not open two sockets. */
  #connecting = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#connectionId = options.runtime.uuid();
    this.#retry = new Alarm(options.runtime);
    this.#deadline = new Alarm(options.runtime);
    this.#ping = new Alarm(options.runtime);
  }

  get online(): boolean {
    return this.#welcomed;
  }

  /** Connects, and comes back after every drop until {@link close}. */
  open(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#connect();
  }

  /** Closes for good. */
  close(error: CarillonError): void {
    this.#wanted = false;
    this.#retry.clear();
    this.#detach(1000);
    for (const pending of this.#pending.values()) pending.reply({ ok: false, error: error.body });
    this.#pending.clear();
  }

  /** Asks something idempotent: sent again after a drop, settles within 15 s. */
  request<T extends object>(frame: RequestFrame): Promise<T> {
    return new Promise((resolve, reject) => {
      const alarm = new Alarm(this.#options.runtime);
      alarm.set(timers.request, () => {
        this.#pending.delete(id);
        reject(makeError("networkLost"));
      });
      const id = this.#ask(frame, true, (answer) => {
        alarm.clear();
        if (answer.ok) resolve(answer.value as T);
        else reject(new CarillonError(answer.error));
      });
    });
  }

  /** Sends something once. False when there is no connection; no reply comes when it drops meanwhile. */
  post(frame: RequestFrame, reply: (reply: Reply) => void): boolean {
    if (this.#welcomed) this.#ask(frame, false, reply);
    return this.#welcomed;
  }

  /** Says something that is not answered. False when there is no connection. */
  tell(frame: Ack | Goodbye | Relay | Typing): boolean {
    return this.#welcomed && this.#write(frame);
  }

  #ask(frame: RequestFrame, again: boolean, reply: Pending["reply"]): number {
    const id = this.#nextId++;
    const pending: Pending = { frame: { ...frame, id } as ClientFrame, again, reply };
    this.#pending.set(id, pending);
    if (this.#welcomed) this.#write(pending.frame);
    return id;
  }

  async #connect(): Promise<void> {
    const { runtime, token, url } = this.#options;
    if (this.#connecting || this.#socket) return;
    this.#retry.clear();
    await this.#prepare(async () => {
      const protocols = [subprotocol, tokenSubprotocolPrefix + (await token())];
      if (!this.#wanted) return;
      must(runtime.WebSocket, "no WebSocket");
      this.#attach(new runtime.WebSocket(url, protocols));
    });
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    this.#refusal = undefined;
    socket.onopen = () => {
      this.#write({
        type: "hello",
        versions: [...protocolVersions],
        connectionId: this.#connectionId,
        sdk: sdkVersion,
        ...this.#options.hello(),
      });
    };
    socket.onmessage = (event: { data: unknown }) => this.#read(event.data);
    socket.onclose = (event: { code: number }) => this.#dropped(event.code);
    socket.onerror = () => {};
    this.#deadline.set(timers.welcome, () => this.#dropped(4000));
  }

  #detach(code: number): void {
    const socket = this.#socket;
    if (!socket) return;
    const { runtime, onOffline } = this.#options;
    this.#deadline.clear();
    this.#ping.clear();
    socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = undefined;
    try {
      socket.close(code);
    } catch {
      // It never opened, or is closed: just what is wanted.
    }
    for (const [id, pending] of this.#pending) if (!pending.again) this.#pending.delete(id);
    if (!this.#welcomed) return;
    this.#welcomed = false;
    if (runtime.now() - this.#welcomedAt > timers.stable) this.#attempt = 0;
    onOffline();
  }

  #dropped(code: number): void {
    const refusal = this.#refusal;
    this.#detach(4000);
    if (!this.#wanted) return;
    this.#options.log("info", "connection", `Closed: ${code} ${refusal?.name ?? ""}`);
    if (refusal?.name === "versionRefused") {
      this.#fail(new CarillonError(refusal));
      return;
    }
    if (code === closeCodes.replaced) {
      this.close(makeError("terminated"));
      return;
    }
    if (code === closeCodes.unauthorized || (refusal && isUnauthorized(refusal))) {
      return void this.#prepare(async () => {
        await this.#options.unauthorized();
        // Even a new token may be refused: never in a tight loop.
        if (this.#wanted) this.#schedule(0);
      });
    }
    const { retryAfter = code === closeCodes.rateLimited ? timers.busy : 0 } = refusal ?? {};
    this.#schedule(retryAfter * 1_000);
  }

  /** A token that could not be fetched for want of a network will be, later. */
  async #prepare(run: () => Promise<void>): Promise<void> {
    this.#connecting = true;
    try {
      await run();
    } catch (thrown) {
      const error = toError(thrown, "networkLost");
      if (error.domain !== "network") this.#fail(error);
      else if (this.#wanted) this.#schedule(0);
    } finally {
      this.#connecting = false;
    }
  }

  /** Full jitter, so that a restarted server is not met by everyone at once. */
  #schedule(atLeastMs: number): void {
    const { runtime } = this.#options;
    const ceiling = Math.min(timers.backoffMost, timers.backoffFirst * 2 ** this.#attempt++);
    this.#retry.set(atLeastMs + runtime.random() * ceiling, () => void this.#connect());
  }

  #fail(error: CarillonError): void {
    if (!this.#wanted) return;
    this.close(error);
    this.#options.onFailed(error);
  }

  /** The network or the page came back: now is better than later. */
  nudge(): void {
    if (!this.#wanted) return;
    if (this.#welcomed) {
      this.#sendPing(timers.urgentPong);
      return;
    }
    this.#attempt = 0;
    void this.#connect();
  }

  #sendPing(limitMs: number): void {
    this.#ping.clear();
    this.#deadline.set(limitMs, () => this.#dropped(4000));
    this.#raw("ping");
  }

  /** Something was heard: the socket lives. */
  #alive(): void {
    this.#deadline.clear();
    this.#ping.set(limits.pingSeconds * 1_000, () => this.#sendPing(timers.pong));
  }

  #read(data: unknown): void {
    if (this.#welcomed) this.#alive();
    // A pong is none.
    const frame = parse(data as string) as ServerFrame | undefined;
    if (frame) this.#take(frame);
  }

  #take(frame: ServerFrame): void {
    const { log, runtime, onOnline, onFrame } = this.#options;
    switch (frame.type) {
      case "welcome":
        this.#welcomed = true;
        this.#welcomedAt = runtime.now();
        this.#alive();
        for (const pending of this.#pending.values()) this.#write(pending.frame);
        onOnline(frame);
        return;
      case "refused":
        // The close code follows; a server that does not close is closed on.
        this.#refusal = frame.error;
        this.#deadline.set(1_000, () => this.#dropped(4000));
        return;
      case "answer":
        this.#settle(frame.id, { ok: true, value: frame.result });
        return;
      case "error":
        if (frame.id !== null) this.#settle(frame.id, { ok: false, error: frame.error });
        else log("error", "connection", `Refused: ${frame.error.detail ?? frame.error.message}`);
        return;
      default:
        onFrame(frame);
    }
  }

  #settle(id: number, reply: Reply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.reply(reply);
  }

  #write(frame: ClientFrame): boolean {
    return this.#raw(JSON.stringify(frame));
  }

  #raw(text: string): boolean {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(text);
    return true;
  }
}
