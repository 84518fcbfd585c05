/** The Worker: requests, the cron, and the classes of the objects. */
import { forgetSignatures } from "../core/applications/users";
import { newReference } from "../core/log";
import type { Env } from "../durable-objects/env";
import { app } from "./app";
import { continueOldestRevocation } from "./revocation";

export { CallSession } from "../durable-objects/call-session/call-session";
export { UserHub } from "../durable-objects/user-hub/user-hub";

export default {
  fetch: app.fetch,
  async scheduled(_event, env) {
    await continueOldestRevocation(env, newReference());
    await forgetSignatures(env.DB, Date.now());
  },
} satisfies ExportedHandler<Env>;
