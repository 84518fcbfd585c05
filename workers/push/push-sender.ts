import { WorkerEntrypoint } from "cloudflare:workers";
import { noteDeadToken } from "../../core/push/feedback";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import type { PushBatch, PushSending } from "../../durable-objects/user-hub/push-rpc";
import { type DeliveryMeans, deliverPushes } from "./deliver";
import { PushKeys } from "./push-keys";

/**
 * How long a batch may take: a Worker that has answered may go on for 30 seconds, and a hub that
 * has not heard of a call's push for 8 seconds, or of a message's for 40, sends it again.
 */
const batchMs = { call: 7_000, cancel: 7_000, message: 25_000 };

/** Sends pushes for the hubs: it answers at once and goes on by itself, so that they can sleep. */
export class PushSender extends WorkerEntrypoint<Env> implements PushSending {
  async send({ devices, ...batch }: PushBatch): Promise<void> {
    const means = deliveryMeans(this.env, batch.reference, batchMs[batch.content.type]);
    const jobs = devices.map((target) => ({ batch, target, attempt: 0 }));
    this.ctx.waitUntil(deliverPushes(jobs, means));
  }
}

/** The means of a delivery that may take so many milliseconds, from the platform. */
export function deliveryMeans(env: Env, reference: string, ms: number): DeliveryMeans {
  const now = () => Date.now();
  return {
    settings: env,
    masterKey: env.MASTER_KEY,
    keys: new PushKeys(env, reference, now),
    fetch: (...args) => fetch(...args),
    now,
    until: now() + ms,
    enqueue: async (later) => {
      await env.PUSH_QUEUE.sendBatch(later);
    },
    report: (user, report) => userHub(env, user).pushed(report),
    noteDead: (token) => noteDeadToken(env.DB, token),
  };
}
