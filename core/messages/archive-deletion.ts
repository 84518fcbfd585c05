/**
 * Deletes a user's messages from the archive: those that the user sent, and those that nobody else
 * got. Of the others the user is no longer a recipient.
 */

/** Whose, and up to when: what is later is of a new user with that id. */
interface Deleted {
  applicationKey: string;
  userId: string;
  /** Milliseconds since 1970. */
  time: number;
}

/** The place of a message in its conversation. */
type Place = [time: number, messageId: string, sender: string];

/** Where to go on: after a message of the conversation, or behind the conversation. */
export interface DeletionPosition {
  conversation: string;
  after?: Place;
}

/** D1 is single-threaded: this is what one step looks at. */
const step = { conversations: 20, messages: 200 };

/** The end of a conversation's step; null when the step reaches the conversation's end. */
const end = `
  SELECT json_array(time, message_id, sender) FROM messages
  WHERE application_key = ?1 AND conversation = conversations.conversation AND time <= ?3
    AND (time, message_id, sender) > (CASE conversations.conversation WHEN ?4 THEN ?5 ELSE -1 END,
      CASE conversations.conversation WHEN ?4 THEN ?6 ELSE '' END,
      CASE conversations.conversation WHEN ?4 THEN ?7 ELSE '' END)
  ORDER BY time, message_id, sender LIMIT 1 OFFSET ?8`;

const range = `application_key = ?1 AND conversation = ?2
  AND (time, message_id, sender) > (?4, ?5, ?6) AND (time, message_id, sender) <= (?7, ?8, ?9)`;

const remove = `
  DELETE FROM messages WHERE ${range}
    AND (sender = ?3 OR NOT EXISTS (SELECT 1 FROM json_each(states) WHERE key <> ?3))`;

const takeOut = `
  UPDATE messages SET states = json_patch(states, json_object(?3, NULL)),
    recipients = (SELECT json_group_array(value) FROM json_each(messages.recipients) WHERE value <> ?3)
  WHERE ${range} AND EXISTS (SELECT 1 FROM json_each(messages.recipients) WHERE value = ?3)`;

const leave = `
  DELETE FROM conversations WHERE application_key = ?1 AND conversation = ?2 AND user_id = ?3
    AND NOT EXISTS (SELECT 1 FROM messages
      WHERE application_key = ?1 AND conversation = ?2 AND time > ?4)`;

/** One step, from `position` on. Answers where to go on; null when nothing is left. */
export async function forgetUserMessages(
  db: D1Database,
  { applicationKey, userId, time }: Deleted,
  position: DeletionPosition,
  size = step,
): Promise<DeletionPosition | null> {
  const start: Place = [-1, "", ""];
  const { results } = await db
    .prepare(
      `SELECT conversation, (${end}) AS end FROM conversations
       WHERE application_key = ?1 AND user_id = ?2 AND conversation ${position.after ? ">=" : ">"} ?4
       ORDER BY conversation LIMIT ?9`,
    )
    .bind(
      ...[applicationKey, userId, time, position.conversation, ...(position.after ?? start)],
      ...[size.messages - 1, size.conversations],
    )
    .all<{ conversation: string; end: string | null }>();

  const statements: D1PreparedStatement[] = [];
  let next: DeletionPosition | null = null;
  for (const { conversation, end } of results) {
    const isSame = conversation === position.conversation;
    const from = isSame && position.after ? position.after : start;
    const to: Place = end === null ? [time + 1, "", ""] : JSON.parse(end);
    const values = [applicationKey, conversation, userId, ...from, ...to];
    statements.push(db.prepare(remove).bind(...values), db.prepare(takeOut).bind(...values));
    next = { conversation };
    if (end !== null) {
      next = { conversation, after: to };
      break;
    }
    statements.push(db.prepare(leave).bind(applicationKey, conversation, userId, time));
  }
  if (statements.length > 0) await db.batch(statements);
  return next?.after || results.length === size.conversations ? next : null;
}
