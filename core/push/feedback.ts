/** Tokens that their provider called dead: dropped by their hub, and listed here for 30 days. */
import { and, asc, eq, gt, gte, or } from "drizzle-orm";
import { base64url } from "jose";
import { utf8 } from "../authentication/bytes";
import { database } from "../db/database";
import { pushFeedback } from "../db/schema";
import { sweep } from "../db/sweep";
import type { PushProvider } from "./credentials";

const dayMs = 86_400_000;
const feedbackDays = 30;
/** Pushes that are on their way together, and one that is repeated after a crash, hear of it within this time. */
const togetherMs = 3_600_000;
/** Of a user within this time: an installation may register whatever it likes as its token. */
const perUser = 20;
/** Tokens of APNs and FCM are shorter. */
const tokenCharacters = 512;

/** A token that is good for nothing any more. */
export interface DeadToken {
  /** The application of the user whose device it was. */
  applicationKey: string;
  userId: string;
  instanceId: string;
  provider: PushProvider;
  /** On Web Push the endpoint. */
  token: string;
  /** What the provider said. */
  reason: string;
  /** When we heard of it, milliseconds since 1970. */
  time: number;
}

/** Where a page begins: after this one. */
export interface FeedbackPosition {
  time: number;
  id: string;
}

export type PushFeedback = Omit<DeadToken, "applicationKey"> & { id: string };

/**
 * Takes note of a dead token, once however often it is told of within an hour, and of a few of one
 * user. Only of a user who is on the application's list: who was deleted meanwhile leaves nothing
 * behind.
 *
 * Times are those of writing and none is given twice, so that nothing comes to be listed behind
 * somebody who has read on.
 */
export async function noteDeadToken(db: D1Database, row: DeadToken): Promise<void> {
  const { applicationKey, userId, instanceId, provider, token, reason, time } = row;
  const digest = await crypto.subtle.digest("SHA-256", utf8(`${instanceId}\n${token}`));
  const id = base64url.encode(new Uint8Array(digest)).slice(0, 16);
  await db
    .prepare(
      `INSERT INTO push_feedback
         (application_key, time, id, user_id, instance_id, provider, token, reason)
       SELECT ?1, max(?2, ifnull((SELECT max(time) + 1 FROM push_feedback WHERE application_key = ?1), 0)),
         ?3, ?4, ?5, ?6, ?7, ?8
       WHERE EXISTS (SELECT 1 FROM users WHERE application_key = ?1 AND user_id = ?4)
         AND NOT EXISTS (SELECT 1 FROM push_feedback
           WHERE application_key = ?1 AND user_id = ?4 AND time > ?2 - ?9 AND id = ?3)
         AND (SELECT count(*) FROM push_feedback
           WHERE application_key = ?1 AND user_id = ?4 AND time > ?2 - ?9) < ?10`,
    )
    .bind(
      ...[applicationKey, time, id, userId, instanceId, provider, cut(token), reason],
      ...[togetherMs, perUser],
    )
    .run();
}

function cut(token: string): string {
  return token.length > tokenCharacters ? `${token.slice(0, tokenCharacters)}…` : token;
}

/** In the order of time, from `since` on or from behind `after`. */
export async function listFeedback(
  db: D1Database,
  applicationKey: string,
  page: { since: number; after?: FeedbackPosition; limit: number },
): Promise<PushFeedback[]> {
  const { applicationKey: key, time, id, userId, instanceId, provider, token, reason } = pushFeedback;
  const { since, after, limit } = page;
  return database(db)
    .select({ time, id, userId, instanceId, provider, token, reason })
    .from(pushFeedback)
    .where(
      and(
        eq(key, applicationKey),
        gte(time, Math.max(since, after?.time ?? since)),
        after && or(gt(time, after.time), gt(id, after.id)),
      ),
    )
    .orderBy(asc(time), asc(id))
    .limit(limit);
}

/** One step of deleting what is older than 30 days. */
export async function forgetOldFeedback(db: D1Database, now: number, rows?: number): Promise<void> {
  const old = {
    table: "push_feedback",
    key: ["application_key", "time", "id"],
    where: "time < ?",
    values: [now - feedbackDays * dayMs],
  };
  await sweep(db, old, now, rows);
}
