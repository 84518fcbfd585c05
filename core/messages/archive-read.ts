/** The history as REST shows it: newest first, in pages, and nothing that is older than 30 days. */
import { base64url } from "jose";
import {
  fail,
  isMessageId,
  isUserId,
  type MessagePage,
  ok,
  type Result,
  type StoredMessage,
  serverLimits,
} from "../../protocol";
import { utf8 } from "../authentication/bytes";
import { conversationKey } from "./conversation";

/** What of a list is asked for: `before` is the `next` of an earlier page. */
export interface PageRequest {
  before?: string;
  limit: number;
}

interface Row {
  id: string;
  sender: string;
  time: number;
  recipients: string;
  text: string;
  headers: string;
  states: string;
}

/** The place of a message in the order of a page. */
type Position = [time: number, id: string, sender: string];

const newestFirst = "ORDER BY time DESC, message_id DESC, sender DESC";
const columns = "message_id AS id, sender, time, recipients, text, headers, states";

/** The user has sent it, or got it: one who was refused did not. */
const seenBy = (user: string) =>
  `(sender = ${user} OR EXISTS (SELECT 1 FROM json_each(states) WHERE key = ${user}))`;

/**
 * The messages among exactly these participants, the application itself being the empty one; with
 * `user` those that this user sent or got. Errors: invalidRequest (`before`).
 */
export async function listConversation(
  db: D1Database,
  applicationKey: string,
  { participants, user }: { participants: readonly string[]; user?: string },
  page: PageRequest,
  now: number,
): Promise<Result<MessagePage>> {
  const before = positionOf(page.before);
  if (!before.ok) return before;
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM messages
       WHERE application_key = ?1 AND conversation = ?2 AND time > ?3
         AND (time, message_id, sender) < (?4, ?5, ?6) AND (?7 IS NULL OR ${seenBy("?7")})
       ${newestFirst} LIMIT ?8`,
    )
    .bind(
      applicationKey,
      await conversationKey(participants),
      oldest(now),
      ...before.value,
      user ?? null,
      page.limit + 1,
    )
    .all<Row>();
  return ok(pageOf(results, page.limit));
}

/** What a user sent and got, in all conversations. Errors: invalidRequest (`before`). */
export async function listUserMessages(
  db: D1Database,
  applicationKey: string,
  user: string,
  page: PageRequest,
  now: number,
): Promise<Result<MessagePage>> {
  const before = positionOf(page.before);
  if (!before.ok) return before;
  // The newest of each conversation, and of them the newest: so no message has a row for each user.
  // In that order (CROSS): left to itself, SQLite goes over all messages of the application.
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM conversations CROSS JOIN messages USING (application_key, conversation)
       WHERE application_key = ?1 AND user_id = ?2 AND (time, message_id, sender) IN (
         SELECT time, message_id, sender FROM messages AS newest
         WHERE newest.application_key = ?1 AND newest.conversation = conversations.conversation
           AND time > ?3 AND (time, message_id, sender) < (?4, ?5, ?6) AND ${seenBy("?2")}
         ${newestFirst} LIMIT ?7)
       ${newestFirst} LIMIT ?7`,
    )
    .bind(applicationKey, user, oldest(now), ...before.value, page.limit + 1)
    .all<Row>();
  return ok(pageOf(results, page.limit));
}

/** Messages with this id, at most two: an id names one message of a sender, the application being the empty one. */
export async function findMessages(
  db: D1Database,
  applicationKey: string,
  { id, sender }: { id: string; sender?: string },
  now: number,
): Promise<StoredMessage[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM messages INDEXED BY messages_by_id
       WHERE message_id = ?1 AND application_key = ?2 AND time > ?3 AND (?4 IS NULL OR sender = ?4) LIMIT 2`,
    )
    .bind(id, applicationKey, oldest(now), sender ?? null)
    .all<Row>();
  return results.map(messageOf);
}

function oldest(now: number): number {
  return now - serverLimits.messageDays * 86_400_000;
}

function pageOf(rows: readonly Row[], limit: number): MessagePage {
  const messages = rows.slice(0, limit).map(messageOf);
  const last = messages.at(-1);
  return rows.length > limit && last ? { messages, next: cursorOf(last) } : { messages };
}

function messageOf({ id, sender, time, recipients, text, headers, states }: Row): StoredMessage {
  return {
    id,
    from: sender || null,
    to: JSON.parse(recipients),
    text,
    headers: JSON.parse(headers),
    time,
    states: JSON.parse(states),
  };
}

function cursorOf({ time, id, from }: StoredMessage): string {
  return base64url.encode(utf8(`${time} ${id} ${from ?? ""}`));
}

function positionOf(cursor: string | undefined): Result<Position> {
  if (cursor === undefined) return ok([Number.MAX_SAFE_INTEGER, "", ""]);
  const [time = "", id, sender = "", ...more] = decoded(cursor).split(" ");
  const sound =
    /^\d{1,15}$/.test(time) && isMessageId(id) && (sender === "" || isUserId(sender)) && more.length === 0;
  return sound
    ? ok([Number(time), id, sender])
    : fail("invalidRequest", { detail: "before: has to be the `next` of another page" });
}

function decoded(cursor: string): string {
  try {
    return new TextDecoder().decode(base64url.decode(cursor));
  } catch {
    return "";
  }
}
