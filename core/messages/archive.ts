/**
 * Messages in D1: the history, for 30 days. Recipients' hubs write it, in batches, and repeat what
 * may have failed. `db` is what `archiveFor` gives for the application.
 */
import { byteLength, type Message, type MessageState } from "../../protocol";
import { conversationKey } from "./conversation";

/** One recipient's copy. Copies of one message come from several hubs, or together. */
export interface MessageCopy extends Message {
  recipient: string;
  /** When the recipient's first device had it, milliseconds since 1970. */
  delivered?: number;
}

/** A value in D1 has at most 2 MB; smaller statements hold up others for less time. */
const batchBytes = 400_000;

interface Row extends Omit<Message, "from"> {
  sender: string;
  conversation: string;
  states: Record<string, MessageState>;
}

/** Of a deleted user nothing is written that is not later than the deletion. */
const deleted = (userId: string, time: string) =>
  `EXISTS (SELECT 1 FROM deleted_users gone
    WHERE gone.application_key = ?1 AND gone.user_id = ${userId} AND gone.time >= ${time})`;

/**
 * A repetition changes nothing and writes no row. What is stored stays: of two times of one event
 * the first written one. Keys keep their order, so that equal states are equal texts.
 */
const merged = "json_patch(json_patch(messages.states, excluded.states), messages.states)";

const insertMessages = `
  INSERT INTO messages
    (application_key, conversation, time, message_id, sender, recipients, text, headers, states)
  SELECT ?1, row ->> 'conversation', row ->> 'time', row ->> 'id', row ->> 'sender',
    recipients, row ->> 'text', row -> 'headers', states
  FROM (
    SELECT value AS row,
      (SELECT json_group_array(value) FROM json_each(batch.value, '$.to')
        WHERE NOT ${deleted("value", "batch.value ->> 'time'")}) AS recipients,
      (SELECT json_group_object(key, json(value)) FROM json_each(batch.value, '$.states')
        WHERE NOT ${deleted("key", "batch.value ->> 'time'")}) AS states
    FROM json_each(?2) batch
  )
  WHERE states <> '{}' AND NOT ${deleted("row ->> 'sender'", "row ->> 'time'")}
  ON CONFLICT DO UPDATE SET states = ${merged}
    WHERE states <> ${merged} AND messages.text = excluded.text`;

const insertConversations = `
  INSERT OR IGNORE INTO conversations (application_key, user_id, conversation)
  SELECT ?1, participant.value, batch.value ->> 'conversation'
  FROM json_each(?2) batch, json_each(batch.value, '$.participants') participant
  WHERE NOT ${deleted("participant.value", "batch.value ->> 'time'")}`;

/**
 * Stores copies. Storing one again changes nothing, but that it adds what is known by now: another
 * recipient, or that it was delivered.
 */
export async function writeMessages(
  db: D1Database,
  applicationKey: string,
  copies: readonly MessageCopy[],
): Promise<void> {
  const [statement, people] = [db.prepare(insertMessages), db.prepare(insertConversations)];
  for (const rows of inBatches(await rowsOf(copies))) {
    await db.batch([
      statement.bind(applicationKey, JSON.stringify(rows)),
      people.bind(applicationKey, JSON.stringify(conversationsOf(rows))),
    ]);
  }
}

/**
 * Notes that a user has read messages, and answers those that this changed: which the user got, and
 * had not read.
 */
export async function writeReads(
  db: D1Database,
  applicationKey: string,
  by: string,
  messages: readonly { from: string | null; id: string }[],
  time: number,
): Promise<{ from: string | null; id: string }[]> {
  const ids = messages.map(({ from, id }) => [id, from ?? ""]);
  const { results } = await db
    .prepare(
      `UPDATE messages INDEXED BY messages_by_id SET states = json_patch(states, json_object(?2, json_patch(
         json_object('delivered', CAST(?3 AS INTEGER), 'read', CAST(?3 AS INTEGER)),
         (SELECT value FROM json_each(messages.states) WHERE key = ?2))))
       WHERE (message_id, application_key, sender) IN
           (SELECT value ->> 0, ?1, value ->> 1 FROM json_each(?4))
         AND EXISTS (SELECT 1 FROM json_each(messages.states)
           WHERE key = ?2 AND value ->> 'read' IS NULL)
       RETURNING message_id AS id, sender`,
    )
    .bind(applicationKey, by, time, JSON.stringify(ids))
    .all<{ id: string; sender: string }>();
  return results.map(({ id, sender }) => ({ from: sender || null, id }));
}

/** One row for each message, with the states of all copies that are here. */
async function rowsOf(copies: readonly MessageCopy[]): Promise<Row[]> {
  const found = new Map<string, { copy: MessageCopy; states: [string, MessageState][] }>();
  for (const copy of copies) {
    const { id, from, recipient, delivered } = copy;
    const key = `${id} ${from ?? ""}`;
    const row = found.get(key) ?? { copy, states: [] };
    row.states.push([recipient, delivered === undefined ? {} : { delivered }]);
    found.set(key, row);
  }
  return Promise.all(
    [...found.values()].map(async ({ copy: { id, from, to, text, headers, time }, states }) => {
      const [sender, recipients] = [from ?? "", [...new Set(to)]];
      const conversation = await conversationKey([sender, ...recipients]);
      // No name is special in it, not even `__proto__`.
      const byRecipient = Object.fromEntries(states);
      return { id, sender, to: recipients, text, headers, time, conversation, states: byRecipient };
    }),
  );
}

function conversationsOf(rows: readonly Row[]) {
  const conversations = new Map<string, { conversation: string; time: number; participants: string[] }>();
  for (const { conversation, sender, to, time } of rows) {
    const known = conversations.get(conversation);
    const participants = [...new Set([sender, ...to])].filter((id) => id !== "");
    conversations.set(conversation, {
      conversation,
      participants,
      time: Math.max(time, known?.time ?? 0),
    });
  }
  return [...conversations.values()];
}

function* inBatches(rows: readonly Row[]): Generator<Row[]> {
  let [batch, size]: [Row[], number] = [[], 0];
  for (const row of rows) {
    const bytes = byteLength(JSON.stringify(row));
    if (batch.length > 0 && size + bytes > batchBytes) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(row);
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}
