/** What the SDK tells of messages, put together: one frame of the server is one change of the page. */
import type { Message, MessageClient, MessageFailure, MessageState } from "@carillon/sdk";
import { type Entry, joinedNews, keyOf, type News, noNews } from "./thread";

/** What came in one moment. */
export interface Batch {
  entries: Entry[];
  /** By the messages' keys. */
  news: Map<string, News>;
}

export interface ArrivalEvents {
  /** Something came over the connection. */
  heard(): void;
  log(text: string, level?: "debug" | "warn"): void;
  deliver(batch: Batch): void;
}

export class Arrivals {
  #batch: Batch = { entries: [], news: new Map() };
  #waiting = false;
  readonly #me: string;
  readonly #events: ArrivalEvents;

  constructor(me: string, client: MessageClient, events: ArrivalEvents) {
    this.#me = me;
    this.#events = events;
    this.#listen(client);
  }

  #listen(client: MessageClient): void {
    const { log } = this.#events;
    client.on("incomingMessage", (message) => {
      log(`incomingMessage ${short(message)} from ${message.senderId ?? "the application"}`);
      this.#take(message);
    });
    client.on("messageSent", ({ message }) => {
      log(`messageSent ${short(message)} to ${message.recipientIds.join(", ")}`);
      this.#take(message);
    });
    client.on("messageDelivered", ({ messageId, recipientId, time }) => {
      log(`messageDelivered ${short({ messageId })} to ${recipientId}`);
      this.#hear({ messageId, senderId: this.#me }, recipientId, { delivered: time });
    });
    client.on("messageRead", ({ messageId, senderId, recipientId, time }) => {
      log(`messageRead ${short({ messageId })} by ${recipientId}`);
      this.#hear({ messageId, senderId }, recipientId, { read: time });
    });
    client.on("messageFailed", (failure) => {
      const { recipientId, error } = failure;
      log(`messageFailed ${short(failure)} to ${recipientId}: ${error.code} ${error.message}`, "warn");
      this.#fail(failure);
    });
  }

  #take(message: Message): void {
    this.#batch.entries.push({ ...message, ...noNews });
    this.#soon();
  }

  #hear(message: Pick<Message, "messageId" | "senderId">, recipientId: string, state: MessageState): void {
    this.#note(keyOf(message), { states: { [recipientId]: state }, failures: {} });
  }

  #fail({ messageId, recipientId, error, message }: MessageFailure): void {
    if (message) this.#take(message);
    const failures = { [recipientId]: { message: error.message, hint: error.hint, code: error.code } };
    this.#note(keyOf({ messageId, senderId: this.#me }), { states: {}, failures });
  }

  #note(key: string, news: News): void {
    const before = this.#batch.news.get(key);
    this.#batch.news.set(key, before ? joinedNews(before, news) : news);
    this.#soon();
  }

  #soon(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#events.heard();
    queueMicrotask(() => {
      this.#waiting = false;
      const batch = this.#batch;
      this.#batch = { entries: [], news: new Map() };
      this.#events.deliver(batch);
    });
  }
}

function short({ messageId }: Pick<Message, "messageId">): string {
  // Its beginning is the time, which many share.
  return messageId.slice(-8);
}
