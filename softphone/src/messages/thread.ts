/** The messages of a conversation: what is known of each, and in which order they stand. */
import type { Message, MessageState } from "@carillon/sdk";

/** Why a recipient does not get a message, for the person who wrote it. */
export interface Failure {
  message: string;
  hint: string;
  code: number;
}

export interface Entry extends Message {
  /** The server does not have it yet. */
  readonly waiting?: true;
  /** By recipient. */
  readonly states: Readonly<Record<string, MessageState>>;
  /** By recipient. */
  readonly failures: Readonly<Record<string, Failure>>;
}

/** What is heard of a message, also of one that is not known here. */
export type News = Pick<Entry, "states" | "failures">;

export const noNews: News = { states: {}, failures: {} };

/** Names a message on every device. */
export function keyOf({ senderId, messageId }: Pick<Message, "senderId" | "messageId">): string {
  return `${senderId ?? ""} ${messageId}`;
}

/** A user id may be `constructor`. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Both together: what was true once stays so. */
export function joinedNews(before: News, { states, failures }: News): News {
  const merged = Object.entries(states).map(
    ([user, state]) => [user, { ...state, ...own(before.states, user) }] as const,
  );
  return {
    states: { ...before.states, ...Object.fromEntries(merged) },
    failures: { ...before.failures, ...failures },
  };
}

/** The message with what else is known of it. */
export function withNews(entry: Entry, news: News): Entry {
  return { ...entry, ...joinedNews(entry, news) };
}

function joined(before: Entry, now: Entry): Entry {
  // A message that has left does not come back.
  const newer = now.waiting ? before : now;
  return withNews(withNews(newer, before), now);
}

/** Those that wait stand at the end: they get their time when they are sent. */
function inOrder(one: Entry, other: Entry): number {
  if (one.waiting !== other.waiting) return one.waiting ? 1 : -1;
  if (one.time !== other.time) return one.time - other.time;
  return one.messageId < other.messageId ? -1 : one.messageId > other.messageId ? 1 : 0;
}

/** Oldest first, each once. */
export function merge(entries: readonly Entry[], more: readonly Entry[]): readonly Entry[] {
  if (more.length === 0) return entries;
  const byKey = new Map(entries.map((entry) => [keyOf(entry), entry]));
  for (const entry of more) {
    const before = byKey.get(keyOf(entry));
    byKey.set(keyOf(entry), before ? joined(before, entry) : entry);
  }
  return [...byKey.values()].sort(inOrder);
}

/**
 * Merges the newest page of the history. `knownUpTo` is the time until which nothing can be missing
 * between the entries; when the page does not reach back to it, there is a gap before the page, and
 * what is older goes: it comes again with the pages before.
 */
export function mergeNewest(
  entries: readonly Entry[],
  page: readonly Entry[],
  { knownUpTo, complete }: { knownUpTo: number; complete: boolean },
): { entries: readonly Entry[]; gap: boolean } {
  const oldest = Math.min(...page.map(({ time }) => time));
  const gap = !complete && oldest > knownUpTo;
  const kept = gap
    ? entries.filter((entry) => entry.waiting || entry.time >= oldest || markOf(entry) === "failed")
    : entries;
  return { entries: merge(kept, page), gap };
}

// ---- what became of a message -------------------------------------------------------------------

export type Mark = "waiting" | "failed" | "sent" | "delivered" | "read";

/** Whom a message was written to; its sender only when nobody else. */
export function readersOf({ senderId, recipientIds }: Message): readonly string[] {
  const others = recipientIds.filter((user) => user !== senderId);
  return others.length > 0 ? others : recipientIds;
}

/** As far as it has come with all of those who get it. */
export function markOf(entry: Entry): Mark {
  if (entry.waiting) return "waiting";
  const readers = readersOf(entry).filter((user) => !own(entry.failures, user));
  const states = readers.map((user) => own(entry.states, user));
  if (readers.length === 0) return "failed";
  if (states.every((state) => state?.read !== undefined)) return "read";
  return states.every((state) => state?.read !== undefined || state?.delivered !== undefined)
    ? "delivered"
    : "sent";
}

const words: Record<Mark, string> = {
  waiting: "Waiting to be sent",
  failed: "Not sent",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
};

/** The same in words; of several recipients, who has it and who has not. */
export function markWords(entry: Entry): string {
  const mark = markOf(entry);
  const readers = readersOf(entry);
  if (mark === "waiting" || mark === "failed" || readers.length === 1) return words[mark];
  const got = (wanted: (state: MessageState | undefined) => boolean) =>
    readers.filter((user) => !own(entry.failures, user) && wanted(own(entry.states, user)));
  const read = got((state) => state?.read !== undefined);
  const delivered = got((state) => state?.read === undefined && state?.delivered !== undefined);
  const refused = readers.filter((user) => own(entry.failures, user));
  return [
    words[mark],
    mark !== "read" && read.length > 0 && `read by ${read.join(", ")}`,
    mark !== "delivered" && delivered.length > 0 && `delivered to ${delivered.join(", ")}`,
    refused.length > 0 && `not to ${refused.join(", ")}`,
  ]
    .filter((part) => part !== false)
    .join("; ");
}

/** Those who do not get it, by the reason: many have the same one. */
export function failuresOf(entry: Entry): { users: string[]; failure: Failure }[] {
  const byReason = new Map<string, { users: string[]; failure: Failure }>();
  for (const user of entry.recipientIds) {
    const failure = own(entry.failures, user);
    if (!failure) continue;
    const reason = `${failure.code} ${failure.message}`;
    const group = byReason.get(reason) ?? { users: [], failure };
    group.users.push(user);
    byReason.set(reason, group);
  }
  return [...byReason.values()];
}
