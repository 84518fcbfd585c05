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
/** What a call's push waits for its turn without asking whether the call still rings: its cancel goes by itself. */
const turnMs = 1_000;
/** A request may have six at a time. */
export const connectionsMax = 6;

/** Sends pushes for the hubs: it answers at once and goes on by itself, so that they can sleep. */
export class PushSender extends WorkerEntrypoint<Env> implements PushSending {
  async send({ devices, ...batch }: PushBatch): Promise<void> {
    const means = deliveryMeans(this.env, batch.reference, batchMs[batch.content.type]);
    if (batch.content.type === "call") means.askAfter = means.now() + turnMs;
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
    connections: connectionsMax,
    wanted: (user, question) => userHub(env, user).pushWanted(question),
    askAfter: Number.POSITIVE_INFINITY,
    enqueue: async (later) => {
      await env.PUSH_QUEUE.sendBatch(later);
    },
    report: (user, report) => userHub(env, user).pushed(report),
    noteDead: (token) => noteDeadToken(env.DB, token),
  };
}
