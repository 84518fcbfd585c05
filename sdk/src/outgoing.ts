/** The messages that wait to be sent: stored on the device, sent in order by one tab, until the server has them. */
// biome-ignore-all lint/suspicious/noDuplicateEnumValues: these are numbers, not cases.
import {
  byteLength,
  clientErrorBody,
  type ErrorBody,
  limits,
  type OutgoingMessage,
  type SendOutcome,
  type SendResult,
  timeOfMessageId,
} from "../../protocol";
import { Alarm } from "./alarm";
import type { CarillonClientOptions } from "./client-types";
import type { Connection, Reply } from "./connection";
import { makeError } from "./errors";
import type { Log } from "./log";
import type { Runtime } from "./runtime";
import type { SharedValue } from "./shared-value";
import { takeTurn } from "./tabs";

const queueMessages = 1_000;
const frameBytes = 48_000;
const retryMs = limits.messageRetryHours * 3_600_000;
/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  /** The queue is looked through so often. */
  look = 60_000,
  backoffFirst = 500,
  backoffMost = 30_000,
  /** The socket lives, but no answer comes. */
  answer = 30_000,
}

/** Worth another try: too much, trouble on the server, or a connection that is about to be replaced or gone. */
export function isTemporary({ errorCode }: ErrorBody): boolean {
  return /^(401|429|500|503|6)/.test(`${errorCode}`);
}

export interface OutgoingContext {
  runtime: Runtime;
  log: Log;
  queue: SharedValue<OutgoingMessage[]>;
  connection: Pick<Connection, "post">;
  options: Pick<CarillonClientOptions, "displayName">;
  /** Milliseconds since 1970. */
  serverNow(): number;
  /** Final: what became of a message. */
  over(message: OutgoingMessage, outcome: Omit<SendOutcome, "id">): void;
}

export class Outgoing {
  readonly #context: OutgoingContext;
  /** What is in the queue only because its removal is not stored yet. */
  readonly #done = new Set<string>();
  #sending = false;
  /** The server has told its time: the device's own may be wrong by days. */
  #onTime = false;
  /** The name of the turn; empty without a connection. */
  #turn = "";
  #endTurn: (() => void) | undefined;
  /** The frame that is not answered yet. */
  #underWay: OutgoingMessage[] = [];
  /** So many messages go one by one: a frame with them was refused, and one of them is to blame. */
  #alone = 0;
  #attempt = 0;
  /** Runs while a frame is under way, and while nothing may be sent. */
  readonly #pause: Alarm;
  readonly #looking: Alarm;
  #closed = false;

  constructor(context: OutgoingContext) {
    this.#context = context;
    this.#pause = new Alarm(context.runtime);
    this.#looking = new Alarm(context.runtime);
  }

  /** Whether this is the tab that sends. */
  get sending(): boolean {
    return this.#sending;
  }

  /** Settles when it is stored. */
  async add(message: OutgoingMessage): Promise<void> {
    let full = false;
    await this.#context.queue.change((queue = []) => {
      full = queue.length >= queueMessages;
      return full ? queue : [...queue, message];
    });
    if (full) throw makeError("rateLimited", `${queueMessages} messages wait`);
    this.#lookLater();
    this.#flush();
  }

  /**
   * Reads what other tabs have put into the queue, gives up what is too old, and sends the rest. Every
   * tab does so from its first connection on, also offline; the one that takes a message out tells of it.
   */
  async look(): Promise<void> {
    const { queue, log, over } = this.#context;
    // A tab that does not send leaves it to the one that does, where the message may be on its way.
    const ageMs = retryMs + (this.#sending ? 0 : 2 * timers.look);
    const isOver = (message: OutgoingMessage) =>
      this.#onTime &&
      this.#isOlder(message, ageMs) &&
      !this.#done.has(message.id) &&
      !this.#underWay.some(({ id }) => id === message.id);
    let gone: OutgoingMessage[] = [];
    try {
      await queue.change((messages) => {
        gone = this.#closed ? [] : (messages ?? []).filter(isOver);
        return messages?.filter((message) => !gone.includes(message));
      });
      // Not after a listener has terminated the client: the next launch tells of the others.
      const untold = gone.filter((message) => {
        if (this.#closed) return true;
        over(message, { failed: [], error: clientErrorBody("expired") });
        return false;
      });
      // Unless the user has logged out: no queue is left then.
      if (untold.length > 0) await queue.change((messages) => messages && [...untold, ...messages]);
    } catch (error) {
      log("error", "messages", `Not read: ${error}`);
    }
    this.#lookLater();
    this.#flush();
  }

  online(instanceId: string): void {
    this.#onTime = true;
    this.#turn = `carillon:send:${instanceId}`;
    this.inFront();
  }

  /** The tab that has the turn may be suspended, and not know that its connection is gone: the one in front takes it. */
  inFront(): void {
    if (this.#turn && !this.#sending) this.#takeTurn(!this.#context.runtime.page.hidden());
  }

  /** Another tab may have a connection still, and send. */
  offline(): void {
    this.#turn = "";
    this.#stop();
    this.#endTurn?.();
  }

  #takeTurn(steal: boolean): void {
    const begin = () => {
      this.#sending = true;
      void this.look();
    };
    const lost = () => {
      this.#stop();
      this.#takeTurn(false);
    };
    // One that waits for its turn does not wait any more when it steals it.
    this.#endTurn?.();
    this.#endTurn = takeTurn(this.#context.runtime.locks, this.#turn, steal, begin, lost);
  }

  #stop(): void {
    this.#sending = false;
    this.#answered();
  }

  close(): void {
    this.#closed = true;
    this.offline();
    this.#pause.clear();
    this.#looking.clear();
  }

  /** The tab that sends looks for what it may not have heard of, the others only after what they know of. */
  #lookLater(): void {
    if (this.#closed || this.#looking.isSet) return;
    if (this.#sending || this.#context.queue.value?.length)
      this.#looking.set(timers.look, () => void this.look());
  }

  // ---- sending --------------------------------------------------------------------------------

  #flush(): void {
    if (!this.#sending || this.#pause.isSet) return;
    const messages = this.#next();
    if (messages.length === 0) return;
    const reply = (reply: Reply) => {
      // Not of a frame that was given up.
      if (this.#underWay === messages) this.#replied(messages, reply);
    };
    const { connection, options } = this.#context;
    if (!connection.post({ type: "send", messages, displayName: options.displayName }, reply)) return;
    this.#underWay = messages;
    this.#pause.set(timers.answer, () => reply({ ok: false, error: clientErrorBody("networkLost") }));
  }

  /** What goes into the next frame: everything that waits, as far as it fits. */
  #next(): OutgoingMessage[] {
    const next: OutgoingMessage[] = [];
    const most = this.#alone > 0 ? 1 : limits.messagesPerFrame;
    let bytes = 0;
    for (const message of this.#context.queue.value ?? []) {
      if (this.#done.has(message.id) || this.#isOlder(message, retryMs)) continue;
      bytes += byteLength(JSON.stringify(message));
      if (next.length >= most || (next.length > 0 && bytes > frameBytes)) break;
      next.push(message);
    }
    return next;
  }

  #isOlder({ id }: OutgoingMessage, ms: number): boolean {
    return this.#context.serverNow() >= timeOfMessageId(id) + ms;
  }

  #answered(): void {
    if (!this.#underWay[0]) return;
    this.#underWay = [];
    this.#pause.clear();
  }

  #replied(messages: OutgoingMessage[], reply: Reply): void {
    this.#answered();
    if (!reply.ok) {
      this.#refused(messages, reply.error);
      return;
    }
    const results = (reply.value as Partial<SendResult> | undefined)?.results ?? [];
    let trouble: ErrorBody | undefined;
    const over = messages.filter((message) => {
      const outcome = results.find(({ id }) => id === message.id);
      const error = outcome ? outcome.error : clientErrorBody("networkLost");
      if (error && isTemporary(error)) trouble ??= error;
      // Closed by a listener: what the app was not told of is sent again at the next launch, and told then.
      else if (outcome && !this.#closed) {
        this.#context.over(message, outcome);
        return true;
      }
      return false;
    });
    void this.#settled(over);
    // Whatever is behind waits as well: order goes before speed.
    if (trouble) this.#wait(trouble);
    else this.#flush();
  }

  /** The whole frame: one message is to blame, but the others shall not be held up for good. */
  #refused(messages: OutgoingMessage[], error: ErrorBody): void {
    if (isTemporary(error)) {
      this.#wait(error);
      return;
    }
    if (messages.length > 1) this.#alone = messages.length;
    else {
      for (const message of messages) this.#context.over(message, { failed: [], error });
      void this.#settled(messages);
    }
    this.#flush();
  }

  async #settled(messages: OutgoingMessage[]): Promise<void> {
    if (messages.length === 0) return;
    this.#attempt = 0;
    this.#alone = Math.max(0, this.#alone - messages.length);
    for (const { id } of messages) this.#done.add(id);
    try {
      await this.#context.queue.change((queue) => queue?.filter(({ id }) => !this.#done.has(id)));
      for (const { id } of messages) this.#done.delete(id);
    } catch (error) {
      // It is sent again after a reload, and recognized by its id.
      this.#context.log("error", "messages", `Not stored: ${error}`);
    }
  }

  #wait({ name, retryAfter }: ErrorBody): void {
    const { runtime, log } = this.#context;
    const backoffMs =
      runtime.random() * Math.min(timers.backoffMost, timers.backoffFirst * 2 ** this.#attempt++);
    const ms = retryAfter === undefined ? backoffMs : retryAfter * 1_000;
    log("info", "messages", `${name}: waits ${ms} ms.`);
    this.#pause.set(ms, () => this.#flush());
  }
}
