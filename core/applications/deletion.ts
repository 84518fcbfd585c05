/** What is left in D1 of an application that was deleted. */
import { archiveFor, type DatabaseBindings } from "../db/database";

/** D1 is single-threaded: a large DELETE would hold up everybody else. */
const rowsPerRun = 1_000;

/**
 * The tables of an application, with what follows the application key in their primary keys. The
 * ledger and the reservations are none of them: they are its account's books.
 */
const inMain = {
  users: "user_id",
  user_deletions: "user_id",
  // After the users: no feedback is noted of one who is not on the list.
  push_feedback: "time, id",
};
const inArchive = {
  calls: "call_id",
  call_statistics: "call_id, user_id, instance_id",
  messages: "conversation, time, message_id, sender",
  conversations: "user_id, conversation",
  deleted_users: "user_id",
};

/** Whether there is no such application, or no longer. */
export async function isGone(db: D1Database, applicationKey: string): Promise<boolean> {
  return !(await db.prepare("SELECT 1 FROM applications WHERE key = ?").bind(applicationKey).first());
}

/** Deletes some of the rows of an application that is gone. Answers whether none was left. */
export async function forgetDeleted(bindings: DatabaseBindings, applicationKey: string): Promise<boolean> {
  const archive = archiveFor(bindings, applicationKey);
  const changes = [
    await deleteSome(bindings.DB, inMain, applicationKey),
    await deleteSome(archive, inArchive, applicationKey),
  ];
  return changes.every((count) => count === 0);
}

async function deleteSome(
  db: D1Database,
  tables: Record<string, string>,
  applicationKey: string,
): Promise<number> {
  const results = await db.batch(
    Object.entries(tables).map(([table, key]) =>
      db
        .prepare(
          `DELETE FROM ${table} WHERE application_key = ?1 AND (${key}) IN
           (SELECT ${key} FROM ${table} WHERE application_key = ?1 LIMIT ${rowsPerRun})`,
        )
        .bind(applicationKey),
    ),
  );
  return results.reduce((sum, { meta }) => sum + meta.changes, 0);
}
