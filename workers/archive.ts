/** What is about to be read from the archive. */
import { log } from "../core/log";
import type { Env } from "../durable-objects/env";
import { userHub } from "../durable-objects/names";

/**
 * Has the hubs of a conversation write what they have not written yet. Every recipient has a copy,
 * so two of the participants have all that was sent. A hub that fails is no reason to wait: what it
 * holds shows later.
 */
export async function bringUpToDate(
  env: Env,
  applicationKey: string,
  participants: readonly string[],
  reference: string,
): Promise<void> {
  const users = [...new Set(participants)].filter((userId) => userId !== "").slice(0, 2);
  await Promise.all(
    users.map(async (userId) => {
      try {
        await userHub(env, { applicationKey, userId }).archive();
      } catch (error) {
        log("warn", "archive.behind", { reference, application: applicationKey, error: String(error) });
      }
    }),
  );
}
