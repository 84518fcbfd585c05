/**
 * Deleting a user, in the databases: a job that is noted first and carried out in steps, so that a
 * crash leaves nothing behind. Whatever is later than the deletion is of a new user with that id.
 */
import { and, asc, eq, lte } from "drizzle-orm";
import { archiveFor, type DatabaseBindings, database } from "../db/database";
import { pushFeedback, userDeletions, users } from "../db/schema";
import { sweepAgain } from "../db/sweep";
import type { DeletionPosition } from "../messages/archive-deletion";

export type UserDeletion = typeof userDeletions.$inferSelect;

/** Notes the deletion, anew when there is one, and takes the user off the list. */
export async function noteDeletion(
  bindings: DatabaseBindings,
  user: { applicationKey: string; userId: string },
  now: number,
): Promise<UserDeletion> {
  const db = database(bindings.DB);
  const { applicationKey, userId } = user;
  const fresh = { time: now, reached: false, position: { conversation: "" }, served: now };
  await db.batch([
    db
      .insert(userDeletions)
      .values({ applicationKey, userId, ...fresh })
      .onConflictDoUpdate({ target: [userDeletions.applicationKey, userDeletions.userId], set: fresh }),
    db
      .delete(users)
      .where(
        and(eq(users.applicationKey, applicationKey), eq(users.userId, userId), lte(users.created, now)),
      ),
  ]);
  return { applicationKey, userId, ...fresh };
}

/** Deletions that nobody has worked on since `before`; those that have waited longest come first. */
export function pendingDeletions(
  bindings: DatabaseBindings,
  before: number,
  limit: number,
): Promise<UserDeletion[]> {
  return database(bindings.DB)
    .select()
    .from(userDeletions)
    .where(lte(userDeletions.served, before))
    .orderBy(asc(userDeletions.served))
    .limit(limit);
}

/**
 * The user's hub has forgotten everything: from now on nothing is written to the archive that is
 * not later than this. Answers the deletion as it is then.
 */
export async function bury(
  bindings: DatabaseBindings,
  deletion: UserDeletion,
  now: number,
): Promise<UserDeletion> {
  const { applicationKey, userId } = deletion;
  const archive = archiveFor(bindings, applicationKey);
  await archive
    .prepare(
      `INSERT INTO deleted_users (application_key, user_id, time) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET time = max(time, excluded.time)`,
    )
    .bind(applicationKey, userId, now)
    .run();
  // They find the user's calls, which no index does.
  await sweepAgain(archive, ["calls", "call_statistics"]);
  const buried = { ...deletion, time: now, reached: true };
  const db = database(bindings.DB);
  await db.batch([
    db.update(userDeletions).set(buried).where(same(deletion)),
    db
      .delete(pushFeedback)
      .where(
        and(
          eq(pushFeedback.applicationKey, applicationKey),
          eq(pushFeedback.userId, userId),
          lte(pushFeedback.time, now),
        ),
      ),
  ]);
  return buried;
}

/** Notes that somebody has worked on a deletion, and how far it has come: with null it is done. */
export async function noteProgress(
  bindings: DatabaseBindings,
  deletion: UserDeletion,
  position: DeletionPosition | null,
  now: number,
): Promise<void> {
  const db = database(bindings.DB);
  if (position === null) await db.delete(userDeletions).where(same(deletion));
  else await db.update(userDeletions).set({ position, served: now }).where(same(deletion));
}

/** Deleted once more in the meantime, it has begun anew. */
function same({ applicationKey, userId, time }: UserDeletion) {
  return and(
    eq(userDeletions.applicationKey, applicationKey),
    eq(userDeletions.userId, userId),
    eq(userDeletions.time, time),
  );
}
