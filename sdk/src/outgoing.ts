/** The messages that wait to be sent: stored on the device, sent in order by one tab, until the server has them. */
import {
  byteLength,
  type ErrorBody,
  errorBody,
  limits,
  type OutgoingMessage,
  type SendOutcome,
  type SendResult,
  timeOfMessageId,
} from "../../protocol";
import type { Connection, Reply } from "./connection";
import { makeError } from "./errors";
import type { Log } from "./log";
import type { Runtime, Timer } from "./runtime";
import type { SharedValue } from "./shared-value";
import { takeTurn } from "./tabs";

const queueMessages = 1_000;
const frameBytes = 48_000;
const retryMs = limits.messageRetryHours * 3_600_000;
/** A tab that does not send leaves it to the one that does to give a message up: it may be on its way. */
const othersMs = 60_000;
const backoffMs = { first: 500, most: 30_000 };
/** The socket lives, but no answer comes. */
const answerMs = 30_000;

/** Worth another try, with the same id. */
export function isTemporary({ name, errorCode }: ErrorBody): boolean {
  return (
    name === "rateLimited" ||
    name === "unavailable" ||
    name === "internal" ||
    // The connection is about to be replaced, or gone.
    Math.floor(errorCode / 100) === 401 ||
    errorCode >= 60_000
  );
}

export interface OutgoingContext {
  runtime: Runtime;
  log: Log;
  queue: SharedValue<OutgoingMessage[]>;
  connection: Pick<Connection, "post">;
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
  #endTurn: (() => void) | undefined;
  /** The frame that is not answered yet. */
  #underWay: OutgoingMessage[] = [];
  /** So many messages go one by one: a frame with them was refused, and one of them is to blame. */
  #alone = 0;
  #attempt = 0;
  #waiting: Timer | undefined;
  #unanswered: Timer | undefined;
  #expiring: Timer | undefined;
  /** Since the client has started: a queue that nobody sends needs no looking after. */
  #active = false;
  #closed = false;

  constructor(context: OutgoingContext) {
    this.#context = context;
  }

  /** Whether this is the tab that sends. */
  get sending(): boolean {
    return this.#sending;
  }

  /** Settles when it is stored. */
  async add(message: OutgoingMessage): Promise<void> {
    await this.#context.queue.change((queue = []) => {
      if (queue.length >= queueMessages)
        throw makeError("rateLimited", `${queueMessages} messages wait to be sent already.`);
      return [...queue, message];
    });
    this.#flush();
    if (this.#active && this.#expiring === undefined) void this.#expire();
  }

  /** Another tab has changed the queue, or this one has just come. */
  async refresh(): Promise<void> {
    this.#active = true;
    const { queue, log } = this.#context;
    await queue
      .read()
      .catch((error) => log("error", "messages", `The queue cannot be read: ${String(error)}`));
    this.#flush();
    void this.#expire();
  }

  online(instanceId: string): void {
    const { runtime } = this.#context;
    this.#endTurn = takeTurn(runtime.locks, `carillon:send:${instanceId}`, () => {
      this.#sending = true;
      void this.refresh();
    });
  }

  /** Another tab may have a connection still, and send. */
  offline(): void {
    this.#sending = false;
    this.#answered();
    this.#endTurn?.();
  }

  close(): void {
    const { runtime } = this.#context;
    this.#closed = true;
    this.offline();
    runtime.clearTimeout(this.#waiting);
    runtime.clearTimeout(this.#expiring);
  }

  /** It has been sent, as was heard otherwise. */
  drop(id: string): void {
    const message = this.#context.queue.value?.find((waiting) => waiting.id === id);
    if (message) this.#settled([message]);
  }

  /** It need not be sent any more. */
  async #remove(messages: OutgoingMessage[]): Promise<void> {
    for (const { id } of messages) this.#done.add(id);
    try {
      await this.#context.queue.change((queue) => without(queue, ({ id }) => this.#done.has(id)));
      for (const { id } of messages) this.#done.delete(id);
    } catch (error) {
      // It is sent again after a reload, and recognized by its id.
      this.#context.log("error", "messages", `The queue was not stored: ${String(error)}`);
    }
  }

  // ---- sending --------------------------------------------------------------------------------

  #flush(): void {
    if (!this.#sending || this.#underWay.length > 0 || this.#waiting !== undefined) return;
    const messages = this.#next();
    if (messages.length === 0) return;
    const { connection, runtime } = this.#context;
    const reply = (reply: Reply) => {
      // Not of a frame that was given up.
      if (this.#underWay === messages) this.#replied(messages, reply);
    };
    if (!connection.post({ type: "send", messages }, reply)) return;
    this.#underWay = messages;
    this.#unanswered = runtime.setTimeout(
      () => reply({ ok: false, error: errorBody("unavailable") }),
      answerMs,
    );
  }

  /** What goes into the next frame: everything that waits, as far as it fits. */
  #next(): OutgoingMessage[] {
    const next: OutgoingMessage[] = [];
    let bytes = 0;
    for (const message of this.#context.queue.value ?? []) {
      if (this.#done.has(message.id) || this.#isOld(message)) continue;
      bytes += byteLength(JSON.stringify(message));
      if (next.length > 0 && bytes > frameBytes) break;
      next.push(message);
      if (next.length >= (this.#alone > 0 ? 1 : limits.messagesPerFrame)) break;
    }
    return next;
  }

  #answered(): void {
    this.#context.runtime.clearTimeout(this.#unanswered);
    this.#underWay = [];
  }

  #replied(messages: OutgoingMessage[], reply: Reply): void {
    this.#answered();
    if (!reply.ok) {
      this.#refused(messages, reply.error);
      return;
    }
    const { results } = reply.value as SendResult;
    let trouble: ErrorBody | undefined;
    const over: OutgoingMessage[] = [];
    for (const message of messages) {
      // By a listener: what the app was not told of is sent again at the next launch, and told then.
      if (this.#closed) break;
      const outcome = results.find(({ id }) => id === message.id);
      const error = outcome ? outcome.error : errorBody("internal");
      if (!outcome || (error && isTemporary(error))) trouble ??= error;
      else {
        over.push(message);
        this.#context.over(message, outcome);
      }
    }
    this.#settled(over);
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
    this.#context.log("error", "messages", `A frame was refused: ${error.detail ?? error.message}`);
    if (messages.length > 1) this.#alone = messages.length;
    else {
      for (const message of messages) this.#context.over(message, { failed: [], error });
      this.#settled(messages);
    }
    this.#flush();
  }

  #settled(messages: OutgoingMessage[]): void {
    if (messages.length === 0) return;
    this.#attempt = 0;
    this.#alone = Math.max(0, this.#alone - messages.length);
    void this.#remove(messages);
  }

  #wait({ name, retryAfter }: ErrorBody): void {
    const { runtime, log } = this.#context;
    const ceiling = Math.min(backoffMs.most, backoffMs.first * 2 ** this.#attempt++);
    const ms = retryAfter === undefined ? runtime.random() * ceiling : retryAfter * 1_000;
    log("info", "messages", `${name}: sending goes on in ${Math.ceil(ms)} ms.`);
    this.#waiting = runtime.setTimeout(() => {
      this.#waiting = undefined;
      this.#flush();
    }, ms);
  }

  // ---- giving up ------------------------------------------------------------------------------

  #isOld({ id }: OutgoingMessage): boolean {
    return this.#context.serverNow() >= timeOfMessageId(id) + this.#patienceMs;
  }

  get #patienceMs(): number {
    return retryMs + (this.#sending ? 0 : othersMs);
  }

  /** Every tab looks after this, also offline. The one that takes a message out of the queue tells of it. */
  async #expire(): Promise<void> {
    const { queue, runtime, serverNow, over } = this.#context;
    const isOver = (message: OutgoingMessage) =>
      !this.#closed &&
      this.#isOld(message) &&
      !this.#done.has(message.id) &&
      !this.#underWay.some(({ id }) => id === message.id);
    // They are in the order of their making, or nearly.
    const [oldest] = queue.value ?? [];
    if (oldest && isOver(oldest)) {
      let gone: OutgoingMessage[] = [];
      const take = (messages: OutgoingMessage[] = []) => {
        gone = messages.filter(isOver);
        return without(messages, isOver);
      };
      await queue.change(take).then(
        () => gone.forEach((message) => over(message, { failed: [], error: errorBody("expired") })),
        () => {},
      );
    }
    runtime.clearTimeout(this.#expiring);
    this.#expiring = undefined;
    const [next] = queue.value ?? [];
    if (!next || this.#closed) return;
    const ms = timeOfMessageId(next.id) + this.#patienceMs - serverNow();
    this.#expiring = runtime.setTimeout(
      () => void this.#expire(),
      Math.min(Math.max(ms, 1_000), retryMs + othersMs),
    );
  }
}

function without(
  messages: OutgoingMessage[] | undefined,
  unwanted: (message: OutgoingMessage) => boolean,
): OutgoingMessage[] | undefined {
  const rest = messages?.filter((message) => !unwanted(message));
  return rest?.length ? rest : undefined;
}
