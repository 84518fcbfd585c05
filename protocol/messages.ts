/**
 * Messages: words and rules. SPEC section 4.
 *
 * A message goes to 1 to 256 users, as a copy for each. Its sender makes its id, a UUIDv7, and
 * `sender, id` names it: sent twice, it is one message. What waits for a user is numbered (`seq`),
 * and each of the user's instances reads it from its own position. All messages among the same
 * people, whoever of them sent them, are one conversation.
 */
import type { ErrorBody } from "./errors";
import { limits } from "./limits";
import type { PushPair } from "./push";
import { areHeaders, byteLength, isUserId, isUuid } from "./values";

/** A message as its sender hands it in. */
export interface OutgoingMessage {
  /** A lowercase UUIDv7, made on the sender's clock: at most 13 hours old, at most 5 minutes ahead. */
  id: string;
  /** User ids, 1 to 256. One that is named twice gets one copy. */
  to: string[];
  /** 1 to 16,384 UTF-8 bytes. */
  text: string;
  headers: Record<string, string>;
}

/** A message that the server has taken. */
export interface Message extends OutgoingMessage {
  /** The sender's user id; null for the application itself. */
  from: string | null;
  /** When the server took it, milliseconds since 1970. */
  time: number;
}

/** A message as it waits for a user. */
export interface MailMessage extends Message {
  /** Grows by one within a user's mailbox. What is not greater than the last one is a repetition. */
  seq: number;
}

/** How far an instance has come. */
export interface MailPosition {
  /** The last {@link MailMessage.seq} that was applied; missing when this instance has applied none. */
  ack?: number;
  /** The last {@link Note.seq} that was applied; missing for none. */
  notes?: number;
}

/**
 * What became of a message, for the devices of its sender (`read` also for the reader's others).
 * Told to the devices that are connected, and kept while none is; also in the history.
 */
export type Note = {
  /** Grows, with gaps. Another numbering than that of the messages. */
  seq: number;
} & (
  | { note: "sent"; message: Message; failed: SendFailure[] }
  | { note: "delivered"; id: string; by: string; time: number }
  | { note: "read"; from: string | null; id: string; by: string; time: number }
  /** Found out after it was accepted. */
  | { note: "failed"; id: string; to: string; error: ErrorBody }
);

/** A recipient who does not get the message. */
export interface SendFailure {
  to: string;
  error: ErrorBody;
}

/** To each message of a request, in the same order. */
export interface SendResult {
  results: SendOutcome[];
}

/**
 * What was done with one message: `time` when it is stored for at least one recipient, `failed`
 * for those who do not get it, `error` when it goes to nobody.
 *
 * `rateLimited`, `unavailable` and `internal` are worth another try, with the same id.
 */
export interface SendOutcome {
  id: string;
  time?: number;
  failed: SendFailure[];
  error?: ErrorBody;
  /** The sender's app has to have these sent. */
  pushPairs?: PushPair[];
  /** The headers did not fit into every push that Carillon sends: a device that is woken gets them when it connects. */
  headersOmitted?: true;
}

/** A message in the history: `GET /v1/history` and `GET /v1/messages`. */
export interface StoredMessage extends Message {
  /** By recipient: when it was delivered and read, milliseconds since 1970. A recipient who was refused is missing. */
  states: Record<string, MessageState>;
}

export interface MessageState {
  delivered?: number;
  read?: number;
}

/** A page of the history, newest first. */
export interface MessagePage {
  messages: StoredMessage[];
  /** Give it as `before` for the next page; missing at the end. */
  next?: string;
}

/** A lowercase UUID, version 7. */
export function isMessageId(value: unknown): value is string {
  return isUuid(value) && value[14] === "7";
}

/** When an id was made, on its maker's clock, milliseconds since 1970. */
export function timeOfMessageId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** An error of the table, and what exactly is wrong. */
export interface MessageProblem {
  name: "invalidValue" | "tooLarge";
  detail: string;
}

/** What is wrong with a message, whenever it is sent; null for nothing. */
export function messageProblem(message: OutgoingMessage): MessageProblem | null {
  return isMessageId(message.id)
    ? contentProblem(message)
    : { name: "invalidValue", detail: "id: not a lowercase UUIDv7" };
}

/** What is wrong with what a message says, and to whom; null for nothing. */
export function contentProblem({
  to,
  text,
  headers,
}: Pick<OutgoingMessage, "to" | "text" | "headers">): MessageProblem | null {
  const wrong = (detail: string): MessageProblem => ({ name: "invalidValue", detail });
  const large = (detail: string): MessageProblem => ({ name: "tooLarge", detail });
  if (to.length === 0) return wrong("to: no recipient");
  if (new Set(to).size > limits.recipients) return large(`to: more than ${limits.recipients}`);
  if (!to.every(isUserId)) return wrong("to: not a user id");
  if (!text || typeof text !== "string") return wrong("text: missing");
  if ([text, ...Object.entries(headers).flat()].some(hasLoneSurrogate)) {
    return wrong("text: half of a character, or in headers");
  }
  if (byteLength(text) > limits.messageTextBytes)
    return large(`text: more than ${limits.messageTextBytes} bytes`);
  if (!areHeaders(headers)) return large(`headers: more than ${limits.headersBytes} bytes`);
  return null;
}

/** It has no UTF-8: stored, it would come back as another text. Not `\p{Surrogate}`, which Hermes does not know. */
function hasLoneSurrogate(text: string): boolean {
  return /[\uD800-\uDFFF]/u.test(text);
}
