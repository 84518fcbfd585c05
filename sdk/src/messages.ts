/** What an app sees of messages. Their rules are in protocol/messages.ts. */
import {
  contentProblem,
  type Message as MessageFrame,
  type MessageState,
  type OutgoingMessage,
} from "../../protocol";
import { type CarillonError, makeError } from "./errors";
import type { PushPair } from "./notification";

/** A message, sent or received. `senderId` and `messageId` together name it, on every device. */
export interface Message {
  /** A UUIDv7: begins with the time when its sender made it. */
  readonly messageId: string;
  /** Null: the application itself. */
  readonly senderId: string | null;
  readonly recipientIds: readonly string[];
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  /** When the server took it, or, of one that still waits here, when it was made. Milliseconds since 1970. */
  readonly time: number;
}

/** A message in the history. */
export interface StoredMessage extends Message {
  /** By recipient: when it was delivered and read, milliseconds since 1970. Who was refused is missing. */
  readonly states: Readonly<Record<string, MessageState>>;
}

/** Newest first. */
export interface History {
  messages: StoredMessage[];
  /** Give it as `before` for the next page; missing at the end. */
  next?: string;
}

export interface HistoryOptions {
  /** `next` of the page before. */
  before?: string;
  /** 1 to 100. */
  limit?: number;
}

/** A recipient who does not get the message, and why. */
export interface MessageFailure {
  messageId: string;
  recipientId: string;
  error: CarillonError;
  /** Missing when the failure was found out so late that this page does not know the message any more. */
  message?: Message;
}

/**
 * Each names its message by `messageId`. Messages, and whether the server took what was sent here, are
 * told in every case. The rest comes to the devices that are connected, and waits for the first one
 * while none is. After a time away the history has it.
 */
export interface MessageClientEvents {
  /**
   * A message of this user is stored by the server, whichever device or tab sent it. `failed` are
   * those who do not get it; `messageFailed` comes for each of them as well.
   */
  messageSent: { message: Message; failed: MessageFailure[] };
  /** For this user: in order within a conversation, once on every device. */
  incomingMessage: Message;
  /** Devices of recipients sleep, and your own server wakes them: have it send these. On the device that sent the message. */
  shouldSendPushData: { message: Message; pushPairs: PushPair[] };
  /** A device of the recipient has it. Time: milliseconds since 1970. */
  messageDelivered: { messageId: string; recipientId: string; time: number };
  /** A recipient has read it; also when that was this user, on another device. */
  messageRead: { messageId: string; senderId: string | null; recipientId: string; time: number };
  /** For each recipient who does not get it. */
  messageFailed: MessageFailure;
  /** Somebody is typing to this user: show it for some 5 seconds. */
  typing: { userId: string };
}

/**
 * A message that is to be sent. Each `send()` of it makes a message of its own.
 *
 * @example
 * const message = new WritableMessage(["bob", "carol"], "Lunch?", { thread: "lunch" });
 */
export class WritableMessage {
  readonly recipientIds: readonly string[];
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param recipients 1 to 256 user ids.
   * @param text 1 to 16,384 UTF-8 bytes.
   * @param headers For the app's own use: 1,024 UTF-8 bytes in all, names and values.
   * @throws CarillonError `invalidValue` or `tooLarge`; `message` says what is.
   */
  constructor(
    recipients: string | readonly string[],
    text: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    const to = [...new Set(listOf(recipients))];
    checkContent({ to, text, headers });
    this.recipientIds = to;
    this.text = text;
    this.headers = { ...headers };
  }

  /**
   * The same to send anew, say after `messageFailed`: it is another message then, with an id of its own.
   *
   * @param recipients Only to these; by default to all recipients of `message`.
   * @example
   * client.messageClient.on("messageFailed", ({ message, recipientId, error }) => {
   *   if (message && error.errorName === "expired") offerAgain(WritableMessage.from(message, recipientId));
   * });
   */
  static from(
    message: Pick<Message, "recipientIds" | "text" | "headers">,
    recipients: string | readonly string[] = message.recipientIds,
  ): WritableMessage {
    return new WritableMessage(recipients, message.text, message.headers);
  }
}

/** @throws CarillonError for what no server would take. */
export function checkContent(message: Pick<OutgoingMessage, "to" | "text" | "headers">): void {
  const problem = contentProblem(message);
  if (problem) throw makeError(problem.name, problem.detail);
}

export function listOf<T>(one: T | readonly T[]): readonly T[] {
  return Array.isArray(one) ? one : [one as T];
}

/** A message of the protocol as the app sees it. */
export function toMessage({ id, from, to, text, headers, time }: MessageFrame): Message {
  return { messageId: id, senderId: from, recipientIds: to, text, headers, time };
}
