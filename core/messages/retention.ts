/**
 * Deletes messages 30 days after they were made, whatever `RETENTION_DAYS` says, and what is left
 * of them: some in each run of the cron.
 */
import { serverLimits } from "../../protocol";
import { sweep } from "../db/sweep";
import { lowestMessageId } from "./message-id";

const dayMs = 86_400_000;
/** D1 is single-threaded: a large DELETE would hold up everybody else. */
const rowsPerStatement = 2_000;
/** 28 million messages a day. */
const statementsPerRun = 10;
/** Longer than a message waits anywhere for being written. */
const tombstoneDays = serverLimits.messageDays + 1;

/** One step in a database. */
export async function forgetOldMessages(db: D1Database, now: number, rows = rowsPerStatement): Promise<void> {
  // A message id is a UUIDv7, and D1 has an index that begins with it.
  const oldMessages = db
    .prepare(
      `DELETE FROM messages INDEXED BY messages_by_id WHERE (message_id, application_key, sender) IN
       (SELECT message_id, application_key, sender FROM messages
        WHERE message_id < ? ORDER BY message_id LIMIT ?)`,
    )
    .bind(lowestMessageId(now - serverLimits.messageDays * dayMs), rows);
  for (let statements = 0; statements < statementsPerRun; statements++) {
    const { meta } = await oldMessages.run();
    if (meta.changes < rows) break;
  }
  await sweep(db, emptyConversations, now);
  await sweep(db, oldTombstones(now), now);
}

const emptyConversations = {
  table: "conversations",
  key: ["application_key", "user_id", "conversation"],
  where: `NOT EXISTS (SELECT 1 FROM messages
    WHERE messages.application_key = conversations.application_key
      AND messages.conversation = conversations.conversation)`,
  values: [],
};

const oldTombstones = (now: number) => ({
  table: "deleted_users",
  key: ["application_key", "user_id"],
  where: "time < ?",
  values: [now - tombstoneDays * dayMs],
});
