/** Deleting users: the hub and the first steps in the request, the rest by cron. */
import {
  bury,
  noteDeletion,
  noteProgress,
  pendingDeletions,
  type UserDeletion,
} from "../core/applications/user-deletion";
import { archiveFor } from "../core/db/database";
import { log } from "../core/log";
import { type DeletionPosition, forgetUserMessages } from "../core/messages/archive-deletion";
import type { Env } from "../durable-objects/env";
import { userHub } from "../durable-objects/names";
import type { UserAddress } from "../durable-objects/user-hub/rpc";

/** A step asks the database twice, and looks at up to 4,000 messages. */
const stepsPerRequest = 10;
const stepsPerRun = 60;
/** Deletions that one run of the cron works on. */
const pendingPerRun = 10;
/** The request that began a deletion may be at work for so long. */
const requestMs = 30_000;

/** Answers whether everything is deleted by now. Once it is noted it never throws: the cron goes on. */
export async function startUserDeletion(env: Env, user: UserAddress, reference: string): Promise<boolean> {
  const deletion = await noteDeletion(env, user, Date.now());
  return attempt(env, deletion, reference, stepsPerRequest);
}

/** One run of the deletions that are under way, which take turns. */
export async function continueUserDeletions(env: Env, reference: string): Promise<void> {
  const pending = await pendingDeletions(env, Date.now() - requestMs, pendingPerRun);
  const share = Math.ceil(stepsPerRun / Math.max(1, pending.length));
  for (const deletion of pending) await attempt(env, deletion, reference, share);
}

async function attempt(env: Env, deletion: UserDeletion, reference: string, steps: number): Promise<boolean> {
  const { applicationKey: application, userId: user } = deletion;
  try {
    const done = await carryOut(env, deletion, reference, steps);
    log("info", "deletion.continued", { reference, application, user, done });
    return done;
  } catch (error) {
    log("warn", "deletion.failed", { reference, application, user, error: String(error) });
    return false;
  }
}

async function carryOut(env: Env, noted: UserDeletion, reference: string, steps: number): Promise<boolean> {
  // Whatever fails: the others have their turn first.
  await noteProgress(env, noted, noted.position, Date.now());
  const deletion = noted.reached ? noted : await reach(env, noted, reference);
  const archive = archiveFor(env, deletion.applicationKey);
  let position: DeletionPosition | null = deletion.position;
  for (let left = steps; position && left > 0; left--) {
    position = await forgetUserMessages(archive, deletion, position);
  }
  await noteProgress(env, deletion, position, Date.now());
  return position === null;
}

/** First the hub, which then writes nothing any more; what it sent until then is deleted as well. */
async function reach(env: Env, deletion: UserDeletion, reference: string): Promise<UserDeletion> {
  await userHub(env, deletion).forget(reference);
  return bury(env, deletion, Date.now());
}
