/** The Worker: requests, the cron, the queues, and the classes of the objects. */
import { forgetSignatures } from "../core/applications/users";
import { forgetOldCalls, retentionDays } from "../core/calls/retention";
import { archives } from "../core/db/database";
import { log, newReference } from "../core/log";
import { forgetOldMessages } from "../core/messages/retention";
import { forgetOldFeedback } from "../core/push/feedback";
import type { Env } from "../durable-objects/env";
import type { LaterPush } from "../durable-objects/push-queue";
import { settleAbandoned } from "./abandoned";
import { app } from "./app";
import { consumePushes } from "./push/queue";
import { continueRevocations } from "./revocation";
import { continueUserDeletions } from "./user-deletion";

export { CallSession } from "../durable-objects/call-session/call-session";
export { ConferenceRoom } from "../durable-objects/conference-room/conference-room";
export { PushCredential } from "../durable-objects/push-credential/push-credential";
export { SipDialog } from "../durable-objects/sip-dialog/sip-dialog";
export { UserHub } from "../durable-objects/user-hub/user-hub";
export { PushSender } from "./push/push-sender";

export default {
  fetch: app.fetch,
  queue: consumePushes,
  async scheduled(_event, env) {
    const reference = newReference();
    const now = Date.now();
    const tasks = [
      continueRevocations(env, reference),
      continueUserDeletions(env, reference),
      settleAbandoned(env, reference, now),
      forgetSignatures(env.DB, now),
      forgetOldFeedback(env.DB, now),
      ...archives(env).map(async (db) => forgetOldCalls(db, now, retentionDays(env.RETENTION_DAYS))),
      ...archives(env).map((db) => forgetOldMessages(db, now)),
    ];
    // What fails in one is no reason for the others to wait.
    for (const outcome of await Promise.allSettled(tasks)) {
      if (outcome.status === "rejected") {
        log("error", "cron.failed", { reference, error: String(outcome.reason) });
      }
    }
  },
} satisfies ExportedHandler<Env, LaterPush>;
