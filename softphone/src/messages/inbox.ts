/**
 * The list of conversations, and what of them is not read. This is what stays in the browser: who
 * wrote with whom and the names of unread messages, no text but that of messages that failed, which
 * nobody else has.
 */
import { type Conversation, conversationWith } from "./conversation";
import type { Entry } from "./thread";

export interface Summary {
  readonly conversation: Conversation;
  /** Of the last message, milliseconds since 1970. */
  readonly last: number;
  /** The keys of messages that nobody has read yet, oldest first. */
  readonly unread: readonly string[];
}

export interface Inbox {
  /** The one with the last message first. */
  readonly summaries: readonly Summary[];
  /** Messages that nobody got, until they are sent again or removed. */
  readonly failed: readonly Entry[];
}

export const emptyInbox: Inbox = { summaries: [], failed: [] };

const mostConversations = 200;
const mostUnread = 1_000;
/** As many as can wait to be sent: all of them may fail together. */
const mostFailed = 1_000;
/** Of their texts; a browser keeps some five million. */
const mostFailedCharacters = 500_000;

/** Something happened in a conversation: a message at `time`, or messages that are read, or are not. */
export interface Happening {
  conversation: Conversation;
  time?: number;
  unread?: readonly string[];
  read?: readonly string[];
}

export function withHappenings(inbox: Inbox, happenings: readonly Happening[]): Inbox {
  const byId = new Map(inbox.summaries.map((summary) => [summary.conversation.id, summary]));
  for (const { conversation, time = 0, unread = [], read = [] } of happenings) {
    const before = byId.get(conversation.id) ?? { conversation, last: 0, unread: [] };
    const keys = new Set([...before.unread, ...unread]);
    for (const key of read) keys.delete(key);
    const last = Math.max(before.last, time);
    byId.set(conversation.id, { conversation, last, unread: [...keys].slice(-mostUnread) });
  }
  const summaries = [...byId.values()].sort((one, other) => other.last - one.last);
  return { ...inbox, summaries: summaries.slice(0, mostConversations) };
}

/** Messages were read, wherever they are. */
export function withRead(inbox: Inbox, keys: ReadonlySet<string>): Inbox {
  const happenings = inbox.summaries
    .map(({ conversation, unread }) => ({ conversation, read: unread.filter((key) => keys.has(key)) }))
    .filter(({ read }) => read.length > 0);
  return happenings.length > 0 ? withHappenings(inbox, happenings) : inbox;
}

export function withFailed(inbox: Inbox, entries: readonly Entry[]): Inbox {
  const ids = new Set(entries.map(({ messageId }) => messageId));
  const rest = inbox.failed.filter(({ messageId }) => !ids.has(messageId));
  return { ...inbox, failed: lastOf([...rest, ...entries].slice(-mostFailed)) };
}

/** The last ones, as many as there is room for. */
function lastOf(entries: readonly Entry[]): readonly Entry[] {
  let characters = 0;
  const tooMuch = entries.findLastIndex(({ text }) => {
    characters += text.length;
    return characters > mostFailedCharacters;
  });
  return entries.slice(tooMuch + 1);
}

export function withoutFailed(inbox: Inbox, messageId: string): Inbox {
  return { ...inbox, failed: inbox.failed.filter((entry) => entry.messageId !== messageId) };
}

export function unreadOf(inbox: Inbox, id: string): readonly string[] {
  return inbox.summaries.find(({ conversation }) => conversation.id === id)?.unread ?? [];
}

export function unreadTotal(inbox: Inbox): number {
  return inbox.summaries.reduce((sum, { unread }) => sum + unread.length, 0);
}

/** As it is kept; what cannot be read counts as never written. */
export function readInbox(me: string, text: string | null): Inbox {
  try {
    const stored: unknown = JSON.parse(text ?? "null");
    if (typeof stored !== "object" || stored === null) return emptyInbox;
    const { conversations, failed } = stored as Record<string, unknown>;
    return {
      summaries: listOf(conversations).flatMap((each) => summaryOf(me, each)),
      failed: listOf(failed).filter(isEntry),
    };
  } catch {
    return emptyInbox;
  }
}

export function writeInbox({ summaries, failed }: Inbox): string {
  const conversations = summaries.map(({ conversation: { others, application }, last, unread }) => ({
    others,
    ...(application && { application }),
    last,
    unread,
  }));
  return JSON.stringify({ conversations, failed });
}

function summaryOf(me: string, stored: unknown): Summary[] {
  if (typeof stored !== "object" || stored === null) return [];
  const { others, application, last, unread } = stored as Record<string, unknown>;
  const people = listOf(others).filter(isText);
  if (typeof last !== "number" || (people.length === 0 && application !== true)) return [];
  const conversation = conversationWith(me, people, { application: application === true });
  return [{ conversation, last, unread: listOf(unread).filter(isText) }];
}

/** Written by this page alone, so that one look at each part is enough. */
export function isEntry(stored: unknown): stored is Entry {
  if (typeof stored !== "object" || stored === null) return false;
  const { messageId, senderId, recipientIds, text, headers, time, states, failures } = stored as Record<
    string,
    unknown
  >;
  return (
    isText(messageId) &&
    (senderId === null || isText(senderId)) &&
    listOf(recipientIds).every(isText) &&
    isText(text) &&
    typeof time === "number" &&
    [headers, states, failures].every((part) => typeof part === "object" && part !== null)
  );
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
