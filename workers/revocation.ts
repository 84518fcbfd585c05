/** Telling the hubs that all instances of an application are revoked: part in the request, the rest by cron. */
import { and, asc, eq } from "drizzle-orm";
import { forgetDeleted, isGone } from "../core/applications/deletion";
import { listUsers } from "../core/applications/users";
import { database } from "../core/db/database";
import { revocations } from "../core/db/schema";
import { log } from "../core/log";
import type { Env } from "../durable-objects/env";
import { userHub } from "../durable-objects/names";

type Revocation = typeof revocations.$inferSelect;

interface Progress {
  /** Hubs that were told now. */
  told: number;
  /** Hubs that could not be told, and are tried again later. */
  failed: number;
  /** Whether all of them know. */
  complete: boolean;
}

/** A Worker may ask 10,000 times per request, the database 1,000 times; this takes a few seconds. */
const usersPerRun = 900;
/** Revocations that one run of the cron tells of, and as many deleted applications that it clears away. */
const pendingPerRun = 10;
/** Hubs that are tried again later. When there are more, all of them are down, and the rest can wait. */
const failedMax = 1_000;
/** A Worker has 6 connections at a time. */
const concurrency = 6;

/** The first step, in the request that asks for it. It never throws: the cron goes on, whatever happened. */
export async function startRevocation(
  env: Env,
  applicationKey: string,
  reference: string,
): Promise<Progress> {
  const progress = await attempt(reference, applicationKey, () =>
    continueRevocation(env, applicationKey, reference),
  );
  return progress ?? { told: 0, failed: 0, complete: false };
}

/** Tells up to `limit` hubs of one revocation, and clears away when all know. */
export async function continueRevocation(
  env: Env,
  applicationKey: string,
  reference: string,
  limit = usersPerRun,
): Promise<Progress> {
  const [revocation] = await database(env.DB)
    .select()
    .from(revocations)
    .where(eq(revocations.applicationKey, applicationKey));
  if (!revocation) return { told: 0, failed: 0, complete: true };
  const progress = await tell(env, revocation, reference, limit);
  if (progress.complete) await clearAway(env, revocation, reference);
  return progress;
}

/**
 * One step of each revocation that is under way, `limit` hubs in all. What is left of deleted
 * applications comes after: no revocation waits for it, nor for one that fails.
 */
export async function continueRevocations(env: Env, reference: string, limit = usersPerRun): Promise<void> {
  const untold = await pending(env, false);
  let left = limit;
  for (const [index, revocation] of untold.entries()) {
    if (left <= 0) break;
    const share = Math.ceil(left / (untold.length - index));
    const { applicationKey } = revocation;
    const progress = await attempt(reference, applicationKey, () => tell(env, revocation, reference, share));
    left -= progress ? progress.told + progress.failed : share;
  }
  for (const revocation of await pending(env, true)) {
    await attempt(reference, revocation.applicationKey, () => clearAway(env, revocation, reference));
  }
}

function pending(env: Env, told: boolean): Promise<Revocation[]> {
  return database(env.DB)
    .select()
    .from(revocations)
    .where(eq(revocations.told, told))
    .orderBy(asc(revocations.served), asc(revocations.since))
    .limit(pendingPerRun);
}

async function tell(env: Env, revocation: Revocation, reference: string, limit: number): Promise<Progress> {
  const { applicationKey, since } = revocation;
  // Hubs that fail and fail again take at most half of a run from the others.
  const again = revocation.failed.slice(0, Math.ceil(limit / 2));
  const page = {
    after: revocation.after,
    limit: Math.min(limit - again.length, failedMax - revocation.failed.length),
  };
  const next = (await listUsers(env.DB, applicationKey, page)).map(({ userId }) => userId);
  const users = [...again, ...next];
  const gone = await isGone(env.DB, applicationKey);
  const failed: string[] = [];
  await inParallel(users, async (userId) => {
    const revoke = async () => {
      const hub = userHub(env, { applicationKey, userId });
      // Nobody comes back to an application that is gone, and messages may wait in its hubs.
      if (gone) await hub.forget(reference);
      // What registered later did so with what is valid now.
      else await hub.revoke("*", reference, since);
      return true;
    };
    if (!(await attempt(reference, applicationKey, revoke))) failed.push(userId);
  });
  const left = [...revocation.failed.slice(again.length), ...failed];
  const told = users.length - failed.length;
  const complete = next.length < page.limit && left.length === 0;
  await change(env, revocation, { after: next.at(-1) ?? revocation.after, failed: left, told: complete });
  const done = { told, failed: failed.length, complete };
  log("info", "revocation.continued", { reference, application: applicationKey, ...done });
  return done;
}

/** Ends a revocation that all hubs know of, when its application is there, or nothing of it is left to delete. */
async function clearAway(env: Env, revocation: Revocation, reference: string): Promise<void> {
  const { applicationKey } = revocation;
  if (await isGone(env.DB, applicationKey)) {
    // Its own hub, which has sent the application's messages.
    await userHub(env, { applicationKey, userId: "" }).forget(reference);
    if (!(await forgetDeleted(env, applicationKey))) return change(env, revocation, {});
  }
  await database(env.DB).delete(revocations).where(same(revocation));
}

async function change(env: Env, revocation: Revocation, progress: Partial<Revocation>): Promise<void> {
  await database(env.DB)
    .update(revocations)
    .set({ ...progress, served: Date.now() })
    .where(same(revocation));
}

/** Another rotation in the meantime has set `since` anew, and this run's progress is not its own. */
function same({ applicationKey, since }: Revocation) {
  return and(eq(revocations.applicationKey, applicationKey), eq(revocations.since, since));
}

/** Undefined when it fails: that is logged, and left for the next run. */
async function attempt<T>(
  reference: string,
  application: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    log("warn", "revocation.failed", { reference, application, error: String(error) });
    return undefined;
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
