/** The users of an application as D1 knows them: listed, blocked; their devices are the hubs'. */
import { and, asc, eq, gt, lt } from "drizzle-orm";
import { database } from "../db/database";
import { usedSignatures, users } from "../db/schema";

export interface UserSummary {
  userId: string;
  /** Milliseconds since 1970. */
  created: number;
  blocked: boolean;
}

/** Before a user's first instance is made, so that a revocation of all finds it. */
export async function noteUser(
  db: D1Database,
  user: { applicationKey: string; userId: string },
  now: number,
): Promise<void> {
  await database(db)
    .insert(users)
    .values({ ...user, created: now })
    .onConflictDoNothing();
}

/** Also for a user who has not registered yet. */
export async function noteBlocked(
  db: D1Database,
  user: { applicationKey: string; userId: string },
  blocked: boolean,
  now: number,
): Promise<void> {
  await database(db)
    .insert(users)
    .values({ ...user, created: now, blocked })
    .onConflictDoUpdate({ target: [users.applicationKey, users.userId], set: { blocked } });
}

/** In the order of their ids, from above the id `after`. */
export async function listUsers(
  db: D1Database,
  applicationKey: string,
  page: { after?: string; limit: number },
): Promise<UserSummary[]> {
  const { userId, created, blocked } = users;
  return database(db)
    .select({ userId, created, blocked })
    .from(users)
    .where(
      and(
        eq(users.applicationKey, applicationKey),
        page.after === undefined ? undefined : gt(userId, page.after),
      ),
    )
    .orderBy(asc(userId))
    .limit(page.limit);
}

/** Takes note of the signature of a write; false when it was accepted before. */
export async function useSignature(
  db: D1Database,
  applicationKey: string,
  signature: string,
  expires: number,
): Promise<boolean> {
  const inserted = await database(db)
    .insert(usedSignatures)
    .values({ applicationKey, signature, expires })
    .onConflictDoNothing()
    .returning({ expires: usedSignatures.expires });
  return inserted.length > 0;
}

/** Signatures whose timestamp is no longer accepted need no row. */
export async function forgetSignatures(db: D1Database, now: number): Promise<void> {
  await database(db).delete(usedSignatures).where(lt(usedSignatures.expires, now));
}
