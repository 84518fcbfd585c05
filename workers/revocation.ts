/** Telling the hubs that all instances of an application are revoked: part in the request, the rest by cron. */
import { and, asc, eq } from "drizzle-orm";
import { forgetDeleted } from "../core/applications/deletion";
import { listUsers } from "../core/applications/users";
import { database } from "../core/db/database";
import { revocations } from "../core/db/schema";
import { log } from "../core/log";
import type { Env } from "../durable-objects/env";
import { userHub } from "../durable-objects/names";

/** A Worker may ask 1,000 times per request. */
const usersPerRun = 900;
/** A Worker has 6 connections at a time. */
const concurrency = 6;

/** Tells up to 900 hubs; the cron goes on where it stopped. Answers how many were told, and whether all were. */
export async function continueRevocation(
  env: Env,
  applicationKey: string,
  reference: string,
  limit = usersPerRun,
): Promise<{ told: number; complete: boolean }> {
  const db = database(env.DB);
  const [revocation] = await db
    .select()
    .from(revocations)
    .where(eq(revocations.applicationKey, applicationKey));
  if (!revocation) return { told: 0, complete: true };
  const page = { after: revocation.after, limit };
  const users = await listUsers(env.DB, applicationKey, page);
  // What registered later did so with what is valid now.
  const { since } = revocation;
  await inParallel(users, ({ userId }) =>
    userHub(env, { applicationKey, userId }).revoke("*", reference, since),
  );
  const told = users.length;
  const last = users.at(-1)?.userId;
  const complete = users.length < limit;
  // Another rotation in the meantime has set `since` anew, and this run's progress is not its own.
  const same = and(eq(revocations.applicationKey, applicationKey), eq(revocations.since, revocation.since));
  if (!complete && last !== undefined) {
    await db.update(revocations).set({ after: last }).where(same);
  } else if (await forgetDeleted(env, applicationKey)) {
    await db.delete(revocations).where(same);
  }
  log("info", "revocation.continued", { reference, application: applicationKey, told, complete });
  return { told, complete };
}

/** One step of one revocation that is under way. */
export async function continueOldestRevocation(env: Env, reference: string): Promise<void> {
  const [next] = await database(env.DB).select().from(revocations).orderBy(asc(revocations.since)).limit(1);
  if (next) await continueRevocation(env, next.applicationKey, reference);
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
