/** Sends messages, takes messages, and tells what became of them. */
import {
  type Hello,
  isUserId,
  limits,
  type MailFrame,
  type MailPosition,
  type MessagePage,
  type NotesFrame,
  type OutgoingMessage,
  type ReadMessages,
  type SendFailure,
  type SendOutcome,
  type TypingFrame,
  timeOfMessageId,
} from "../../protocol";
import { Alarm } from "./alarm";
import type { ClientContext } from "./client-context";
import { Emitter } from "./emitter";
import { must, toError } from "./errors";
import { MailPositions } from "./mail-position";
import { MessageOutcomes } from "./message-outcomes";
import {
  checkContent,
  type History,
  type HistoryOptions,
  listOf,
  type Message,
  type MessageClientEvents,
  toMessage,
  type WritableMessage,
} from "./messages";
import { toPushPairs } from "./notification";
import { isTemporary, Outgoing } from "./outgoing";
import { timedUuid } from "./runtime";
import { SharedValue } from "./shared-value";
import type { TabChannel } from "./tabs";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  typing = 3_000,
  /** No sender makes so many ids in so short a time. */
  ahead = 60_000,
  /** A storage that hangs keeps nobody from connecting: calls do without it. */
  storage = 5_000,
}

/** What a tab tells the others: the queue has changed, or what became of a message of it. */
type TabMessage = "queue" | { instanceId: string; message: Message; failed: SendFailure[]; sent: boolean };

type MessageName = Pick<Message, "messageId" | "senderId">;

/**
 * Messages of this user: `client.messageClient`.
 *
 * Listen before `client.start()`: what has waited comes at once then. Each event comes once while the
 * page lives; after a reload one may come again, when the page was closed before that could be noted
 * in the storage. `messageId` tells.
 *
 * @example
 * const { messageClient } = client;
 * messageClient.on("incomingMessage", (message) => {
 *   show(message);
 *   messageClient.markRead(message);
 * });
 * messageClient.on("messageSent", ({ message }) => showTick(message.messageId));
 * const message = await messageClient.send(new WritableMessage("bob", "Hello"));
 */
export class MessageClient extends Emitter<MessageClientEvents> {
  readonly #context: ClientContext;
  readonly #queue: SharedValue<OutgoingMessage[]>;
  readonly #positions: MailPositions;
  readonly #outgoing: Outgoing;
  readonly #outcomes = new MessageOutcomes(this);
  /** What was read and is not told yet. */
  readonly #reads: ReadMessages["messages"] = [];
  #reading = false;
  /** Until when nothing more is told, by recipients. */
  readonly #typed = new Map<string, number>();
  /** The time in the last id: each id is greater than the one before, so that they sort as they were sent. */
  #made = 0;
  #tabs: TabChannel | undefined;
  #instanceId = "";
  #supported = true;
  #closed = false;

  /** @internal */
  constructor(context: ClientContext) {
    super();
    this.#context = context;
    const { log, registrar, connection } = context;
    this.#queue = new SharedValue(context, `${registrar.key}:outgoing`);
    this.#positions = new MailPositions(
      new SharedValue(context, `${registrar.key}:mail`),
      (mail) => connection.tell({ type: "ack", calls: [], mail }),
      log,
    );
    this.#outgoing = new Outgoing({
      ...context,
      queue: this.#queue,
      over: (message, outcome) => this.#over(message, outcome),
    });
  }

  /**
   * Sends a message. Resolves as soon as it is stored on this device, also while that is offline: it
   * is sent by itself from there on, in order, also after a reload, for 12 hours. `messageSent` and
   * `messageFailed` tell what became of it. Before the first connection of a page the message counts
   * from the device's clock: should that be wrong by hours, it fails as `expired` or `invalidValue`.
   *
   * @throws CarillonError (rejects) `rateLimited` when 1,000 messages wait already, `invalidUse` after
   * `setSupportMessaging(false)`, `terminated`, and whatever your own `storage` rejects with.
   * @example
   * const { messageId } = await client.messageClient.send(new WritableMessage("bob", "Hello"));
   */
  async send(message: WritableMessage): Promise<Message> {
    this.#context.mustLive();
    must(this.#supported, "messaging is not supported");
    const { runtime, serverNow } = this.#context;
    const now = serverNow();
    // A clock that was ahead and has been set right does not count on: the server refuses such ids.
    this.#made = this.#made > now + timers.ahead ? now : Math.max(this.#made + 1, now);
    const id = timedUuid({ now: () => this.#made, uuid: runtime.uuid });
    const outgoing = {
      id,
      to: [...message.recipientIds],
      text: message.text,
      headers: { ...message.headers },
    };
    checkContent(outgoing);
    // Who goes on typing after it, is told again at once.
    this.#typed.delete(typingKey(outgoing.to));
    await this.#outgoing.add(outgoing);
    if (!this.#outgoing.sending) this.#openTabs()?.post("queue" satisfies TabMessage);
    return this.#mine(outgoing);
  }

  /**
   * The messages that wait to be sent, oldest first; also what another tab was given.
   *
   * @example
   * for (const message of await client.messageClient.outgoing()) showWaiting(message);
   */
  async outgoing(): Promise<Message[]> {
    this.#context.mustLive();
    const waiting = (await this.#queue.read()) ?? [];
    return waiting.filter(({ id }) => !this.#outcomes.knows(id)).map((message) => this.#mine(message));
  }

  /**
   * The person has read these: their senders get `messageRead`, and so do this user's other devices.
   * Told after the next return when there is no connection, as long as the page lives.
   *
   * @example
   * if (document.hasFocus()) client.messageClient.markRead(shownMessages);
   */
  markRead(messages: MessageName | readonly MessageName[]): void {
    for (const { messageId, senderId } of listOf(messages))
      this.#reads.push({ from: senderId, id: messageId });
    void this.#tellReads();
  }

  /**
   * The person is typing to these users. To be called at every key: it is told once in 3 seconds. A
   * conversation with more than 16 others is not told, nor one with what is no user id.
   *
   * @example
   * input.addEventListener("input", () => client.messageClient.sendTyping("bob"));
   */
  sendTyping(recipients: string | readonly string[]): void {
    const { connection, runtime } = this.#context;
    const to = [...new Set(listOf(recipients))];
    const key = typingKey(to);
    const now = runtime.now();
    // A frame that the server cannot read would cost the connection, the third time.
    const legal = to.length > 0 && to.length <= limits.typingRecipients && to.every(isUserId);
    if (this.#closed || !legal || now < (this.#typed.get(key) ?? 0)) return;
    if (connection.tell({ type: "typing", to })) this.#typed.set(key, now + timers.typing);
  }

  /**
   * A page of a conversation, newest first: the messages among this user and `withUsers`, whoever of
   * them sent it. With no users: what the application itself sent to this user.
   *
   * @throws CarillonError (rejects) `invalidUse` before `start()`, `networkLost`, or what the server says.
   * @example
   * const page = await client.messageClient.history("bob", { limit: 30 });
   * const older = page.next && (await client.messageClient.history("bob", { before: page.next }));
   */
  async history(withUsers: string | readonly string[], options: HistoryOptions = {}): Promise<History> {
    this.#context.mustLive();
    const { registrar } = this.#context;
    const users = listOf(withUsers).map((user) => ["with", user] as const);
    const query = [...users, ...Object.entries(options)]
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    const path = `/v1/history?${query.join("&")}`;
    const { messages, next } = (await registrar.authorized("GET", path)) as MessagePage;
    return { messages: messages.map((message) => ({ ...toMessage(message), states: message.states })), next };
  }

  // ---- what the client tells ------------------------------------------------------------------

  /** @internal */
  support(supported: boolean): void {
    this.#supported = supported;
  }

  /** @internal Before each connection: what hello says is read from the storage. */
  async prepare(instanceId: string): Promise<void> {
    if (!this.#supported) return;
    this.#instanceId = instanceId;
    this.#openTabs();
    void this.#outgoing.look();
    const alarm = new Alarm(this.#context.runtime);
    await Promise.race([this.#positions.prepare(instanceId), alarm.wait(timers.storage)]);
    alarm.clear();
  }

  /** @internal */
  hello(): Pick<Hello, "mail"> {
    return this.#supported ? { mail: this.#positions.hello() } : {};
  }

  /** @internal */
  online(): void {
    if (this.#supported) this.#outgoing.online(this.#instanceId);
  }

  /** @internal The page is visible now. */
  inFront(): void {
    this.#outgoing.inFront();
  }

  /** @internal */
  offline(): void {
    this.#outgoing.offline();
  }

  /** @internal */
  receive(frame: MailFrame | NotesFrame | TypingFrame): void {
    switch (frame.type) {
      case "mail":
        for (const message of frame.messages) {
          if (this.#takes("ack", message.seq)) this.emit("incomingMessage", toMessage(message));
        }
        void this.#positions.keep("ack");
        return;
      case "notes":
        for (const note of frame.notes) {
          if (this.#takes("notes", note.seq)) this.#outcomes.note(note);
        }
        void this.#positions.keep("notes");
        return;
      default:
        this.emit("typing", { userId: frame.from });
    }
  }

  /** @internal Logged out: nothing of this user stays on the device. */
  async forget(): Promise<void> {
    this.close();
    await Promise.all([this.#queue.change(() => undefined), this.#positions.forget()]);
  }

  /** @internal */
  close(): void {
    this.#closed = true;
    this.#outgoing.close();
    this.#tabs?.close();
    this.removeListeners();
  }

  /** Not after a listener has terminated the client: what it was not told of is told at the next launch. */
  #takes(kind: keyof MailPosition, seq: number): boolean {
    return !this.#closed && this.#positions.take(kind, seq);
  }

  /** This tab has sent a message, or has given it up. */
  #over(message: OutgoingMessage, outcome: Omit<SendOutcome, "id">): void {
    const { time, failed, error, pushPairs, headersOmitted } = outcome;
    if (headersOmitted) this.#context.log("warning", "push", "Pushes go without headers.");
    const over = {
      instanceId: this.#instanceId,
      message: this.#mine(message, time),
      failed: error ? message.to.map((to) => failed.find((one) => one.to === to) ?? { to, error }) : failed,
      sent: !error,
    };
    // The server does not tell a tab that has no connection now, nor of what it did not take.
    this.#openTabs()?.post(over satisfies TabMessage);
    this.#outcomes.over(over.message, over.failed, over.sent);
    if (pushPairs)
      this.emit("shouldSendPushData", { message: over.message, pushPairs: toPushPairs(pushPairs) });
  }

  #mine(message: OutgoingMessage, time = timeOfMessageId(message.id)): Message {
    return toMessage({ ...message, from: this.#context.userId, time });
  }

  /**
   * Tells it until the server knows it, or there is no client any more. One request at a time, with
   * all that was read meanwhile: an app may mark each message by itself, and many come at once.
   */
  async #tellReads(): Promise<void> {
    const { connection, runtime, log } = this.#context;
    if (this.#reading) return;
    this.#reading = true;
    let most: number = limits.readsPerFrame;
    while (this.#reads.length > 0 && !this.#closed) {
      const messages = this.#reads.slice(0, most);
      let over = messages.length;
      try {
        await connection.request({ type: "read", messages });
      } catch (thrown) {
        const { body, message, retryAfter = 1 } = toError(thrown);
        if (isTemporary(body)) {
          over = 0;
          await new Alarm(runtime).wait(retryAfter * 1_000);
        } else if (over > 1) {
          // One of them is to blame: the others shall not suffer for it.
          over = 0;
          most = 1;
        } else log("error", "messages", `Not told: ${message}`);
      }
      this.#reads.splice(0, over);
    }
    this.#reading = false;
  }

  // ---- the other tabs -------------------------------------------------------------------------

  #openTabs(): TabChannel | undefined {
    if (this.#closed) return undefined;
    const { runtime, registrar } = this.#context;
    this.#tabs ??= runtime.tabs(registrar.key, (message) => this.#hear(message as TabMessage));
    return this.#tabs;
  }

  #hear(message: TabMessage): void {
    if (message === "queue") {
      if (this.#outgoing.sending) void this.#outgoing.look();
    } else if (message.instanceId === this.#instanceId) {
      this.#outcomes.over(message.message, message.failed, message.sent);
    }
  }
}

function typingKey(recipients: readonly string[]): string {
  return [...recipients].sort().join(" ");
}
