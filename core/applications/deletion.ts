/** What is left in D1 of an application that was deleted. */
import { archiveFor, type DatabaseBindings } from "../db/database";

/** D1 is single-threaded: a large DELETE would hold up everybody else. */
const rowsPerRun = 1_000;

/**
 * Deletes some of the rows of an application that is gone, and answers whether none is left to
 * delete; does nothing to an application that is there.
 */
export async function forgetDeleted(bindings: DatabaseBindings, applicationKey: string): Promise<boolean> {
  const there = await bindings.DB.prepare("SELECT 1 FROM applications WHERE key = ?")
    .bind(applicationKey)
    .first();
  if (there) return true;
  const archive = archiveFor(bindings, applicationKey);
  const changes = [
    await deleteSome(bindings.DB, "users", "user_id", applicationKey),
    await deleteSome(archive, "calls", "call_id", applicationKey),
    await deleteSome(archive, "call_statistics", "call_id", applicationKey),
  ];
  return changes.every((count) => count === 0);
}

async function deleteSome(
  db: D1Database,
  table: "users" | "calls" | "call_statistics",
  column: string,
  applicationKey: string,
): Promise<number> {
  const result = await db
    .prepare(
      `DELETE FROM ${table} WHERE application_key = ?1 AND ${column} IN
       (SELECT ${column} FROM ${table} WHERE application_key = ?1 LIMIT ${rowsPerRun})`,
    )
    .bind(applicationKey)
    .run();
  return result.meta.changes;
}
