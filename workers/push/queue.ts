/** The queues of pushes: attempts after the first one, and what was given up. */
import { log } from "../../core/log";
import { backoffSeconds } from "../../core/push/retry";
import type { Env } from "../../durable-objects/env";
import type { LaterPush } from "../../durable-objects/push-queue";
import { deliverPushes } from "./deliver";
import { connectionsMax, deliveryMeans } from "./push-sender";

/**
 * How long a batch may take, since the next one may wait for it: a question and an attempt at a
 * provider that hangs. What has had no turn by then goes to the end of the queue.
 */
const batchMs = 15_000;

/**
 * Tries pushes again that somebody still waits for. What fails for a reason of ours (a hub or the
 * queue cannot be reached) is given back to the queue, which buries it after a few times.
 *
 * Calls and messages of a batch go side by side: a call does not wait for anybody's messages.
 */
export async function consumePushes(batch: MessageBatch<LaterPush>, env: Env): Promise<void> {
  if (batch.queue.endsWith("-dead")) return bury(batch.messages);
  const isMessage = ({ body }: Message<LaterPush>) => body.batch.content.type === "message";
  const [messages, calls] = [
    batch.messages.filter(isMessage),
    batch.messages.filter((one) => !isMessage(one)),
  ];
  const kinds = [calls, messages].filter(({ length }) => length > 0);
  await Promise.all(kinds.map((some) => tryAgain(some, Math.floor(connectionsMax / kinds.length), env)));
}

async function tryAgain(messages: Message<LaterPush>[], connections: number, env: Env): Promise<void> {
  const [reference = ""] = messages.map(({ body }) => body.batch.reference);
  const means = { ...deliveryMeans(env, reference, batchMs), connections, askAfter: 0 };
  const jobs = new Map(messages.map((message) => [message.body, message]));
  const nobodys = new Set(await deliverPushes([...jobs.keys()], means));
  for (const [job, message] of jobs) {
    if (nobodys.has(job)) giveBack(message);
    else message.ack();
  }
}

function giveBack(message: Message<LaterPush>): void {
  const { type } = message.body.batch.content;
  message.retry({ delaySeconds: backoffSeconds(type, message.attempts) });
}

/** Nobody tries them any more: the line is to raise an alarm. */
function bury(messages: readonly Message<LaterPush>[]): void {
  for (const message of messages) {
    const { batch, target, attempt } = message.body;
    const { reference, application, user, content } = batch;
    log("error", "push.dead", {
      ...{ reference, application, user: user.userId, instance: target.instanceId },
      ...{ provider: target.device.provider, type: content.type, attempt },
      reason: "it could not be handled",
    });
    message.ack();
  }
}
