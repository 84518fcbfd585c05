/** The queues of pushes: later attempts, and what nobody could send. */
import type { Env } from "../../durable-objects/env";
import type { LaterPush } from "../../durable-objects/push-queue";

export async function consumePushes(batch: MessageBatch<LaterPush>, _env: Env): Promise<void> {
  batch.ackAll();
}
