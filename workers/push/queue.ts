/** The queues of pushes: attempts after the first one, and what was given up. */
import { log } from "../../core/log";
import { backoffSeconds } from "../../core/push/retry";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushJob } from "./attempt";
import { deliverPushes } from "./deliver";
import { deliveryMeans } from "./push-sender";

/** A consumer may take 15 minutes; ten messages take a fraction of this. */
const consumerMs = 60_000;

/**
 * Tries pushes again that somebody still waits for. What fails for a reason of ours (a hub or the
 * queue cannot be reached) is given back to the queue, which buries it after a few times.
 */
export async function consumePushes(batch: MessageBatch<LaterPush>, env: Env): Promise<void> {
  if (batch.queue.endsWith("-dead")) return bury(batch.messages);
  const jobs = new Map<PushJob, Message<LaterPush>>();
  await Promise.all(
    batch.messages.map(async (message) => {
      try {
        const job = await wantedJob(message.body, env);
        if (job) jobs.set(job, message);
        else message.ack();
      } catch (error) {
        const { reference } = message.body.batch;
        log("warn", "push.question.failed", { reference, error: String(error) });
        giveBack(message);
      }
    }),
  );
  const [first] = jobs.keys();
  if (!first) return;
  const means = deliveryMeans(env, first.batch.reference, consumerMs);
  const unsettled = new Set(await deliverPushes([...jobs.keys()], means));
  for (const [job, message] of jobs) {
    if (unsettled.has(job)) giveBack(message);
    else message.ack();
  }
}

/** With the device as it is now; null when the user has logged out, the call is over, or the messages were read. */
async function wantedJob({ batch, attempt }: LaterPush, env: Env): Promise<PushJob | null> {
  const { devices, ...rest } = batch;
  const [target] = devices;
  if (!target) return null;
  const { push, content, user } = rest;
  const { instanceId } = target;
  const device = await userHub(env, user).pushWanted({ push, content, instanceId });
  return device && { batch: rest, target: { instanceId, device }, attempt };
}

function giveBack(message: Message<LaterPush>): void {
  const { type } = message.body.batch.content;
  message.retry({ delaySeconds: backoffSeconds(type, message.attempts) });
}

/** Nobody tries them any more: the line is to raise an alarm. */
function bury(messages: readonly Message<LaterPush>[]): void {
  for (const message of messages) {
    const { batch, attempt } = message.body;
    const { reference, application, user, content, devices } = batch;
    const [target] = devices;
    log("error", "push.dead", {
      ...{ reference, application, user: user.userId, instance: target?.instanceId },
      ...{ provider: target?.device.provider, type: content.type, attempt },
      reason: "it could not be handled",
    });
    message.ack();
  }
}
