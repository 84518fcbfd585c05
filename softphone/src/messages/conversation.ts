/** A conversation is the set of those who take part in it, whoever of them writes. */
import type { Message } from "@carillon/sdk";
import { initials } from "../words";

export interface Conversation {
  /** Names it in the page: the same people are the same conversation. */
  readonly id: string;
  /** User ids, sorted, without this user, unless nobody else takes part. */
  readonly others: readonly string[];
  /** The application itself takes part: it is not a user and cannot be written to. */
  readonly application: boolean;
}

/** The conversation of this user with these. */
export function conversationWith(
  me: string,
  people: readonly string[],
  { application = false } = {},
): Conversation {
  const others = [...new Set(people)].filter((person) => person !== me).sort();
  if (others.length === 0 && !application) others.push(me);
  // A space is not legal in a user id.
  return { id: `${application ? " " : ""}${others.join(" ")}`, others, application };
}

/** The conversation that a message belongs to. */
export function conversationOf(
  me: string,
  { senderId, recipientIds }: Pick<Message, "senderId" | "recipientIds">,
): Conversation {
  const people = senderId === null ? recipientIds : [senderId, ...recipientIds];
  return conversationWith(me, people, { application: senderId === null });
}

/** User ids as they are typed: with commas or spaces between them, each once. */
export function parseRecipients(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** Those among whom its history is; the application is the empty id there. */
export function historyOf({ others, application }: Conversation): readonly string[] {
  return application ? ["", ...others] : others;
}

/** What a conversation is called. */
export function titleOf(me: string, { others, application }: Conversation): string {
  const people = others.map((person) => (person === me ? `${person} (you)` : person));
  return (application ? ["The app", ...people] : people).join(", ");
}

/** The letters in its round picture: of a group, those of its first two. */
export function faceOf(title: string, { others }: Conversation): string {
  if (others.length < 2) return initials(title);
  return others
    .map((person) => initials(person).slice(0, 1))
    .slice(0, 2)
    .join("");
}

/** The person who can be called from here: not of a group, nor oneself. */
export function personOf(me: string, { others, application }: Conversation): string | undefined {
  const [person, ...more] = others;
  return application || more.length > 0 || person === me ? undefined : person;
}
