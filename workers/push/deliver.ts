/** Sends pushes and sees to what became of each: the queue has it, its hub knows, a dead token is noted. */
import { Lanes } from "../../core/lanes";
import { log } from "../../core/log";
import { retryDelay } from "../../core/push/retry";
import { within } from "../../core/within";
import type { PushResult } from "../../durable-objects/user-hub/push-rpc";
import { type Attempted, type AttemptMeans, attemptPush, type PushJob } from "./attempt";
import { logAttempt, logRefusedCredentials, logSent } from "./push-log";
import { PushReports, type ReportMeans } from "./push-reports";

/** For the queue, which knows whole seconds. */
export interface Later {
  body: PushJob;
  delaySeconds: number;
}

/** An attempt, and what is to be done about it. */
export interface Settled extends Attempted {
  result: PushResult["result"];
  /** Seconds, of what the queue is to have. */
  delay?: number;
}

export interface DeliveryMeans extends AttemptMeans, ReportMeans {
  /** To the queue. */
  enqueue: (later: Later[]) => Promise<void>;
  /** At a time. A request may have six. */
  connections: number;
}

/** Of a queue: 256 KB together. */
const queueBatch = { count: 50, size: 200_000 };
const queueMs = 3_000;

/**
 * Attempts each push once. Answers those that are nobody's now, because the queue did not take them
 * or their hub did not say whether they are wanted. Never throws.
 */
export async function deliverPushes(jobs: readonly PushJob[], means: DeliveryMeans): Promise<PushJob[]> {
  // What is to be tried again does not wait for a provider that hangs, nor anybody for the queue.
  const queue = new Lanes<Later, boolean>((_, later) => enqueue(later, means), {
    ...queueBatch,
    sizeOf: (later) => JSON.stringify(later).length,
  });
  const reports = new PushReports(jobs, means);
  const settled = await inParallel(jobs, means.connections, async (job) => {
    const one = settle(await attemptPush(job, means), means.now());
    logAttempt(one);
    const queued = () => (one.unasked ? Promise.resolve(false) : queue.push("", laterOf(one)));
    reports.add(one, one.result === "later" ? queued() : undefined);
    return one;
  });
  logSent(settled);
  logRefusedCredentials(settled);
  return reports.end();
}

function settle(attempted: Attempted, now: number): Settled {
  const { push, outcome, job, unasked } = attempted;
  if (unasked) return { ...attempted, result: "later" };
  if (!push) return { ...attempted, result: "failed" };
  if (!outcome) return { ...attempted, result: "later", delay: 0 };
  if (outcome.kind === "sent" || outcome.kind === "dead") return { ...attempted, result: outcome.kind };
  const delay = retryDelay(push, outcome, job.attempt + 1, now);
  return delay === null ? { ...attempted, result: "failed" } : { ...attempted, result: "later", delay };
}

function laterOf({ job, target, outcome, delay = 0 }: Settled): Later {
  return { body: { ...job, target, attempt: job.attempt + (outcome ? 1 : 0) }, delaySeconds: delay };
}

/** Whether the queue has each. */
async function enqueue(later: Later[], means: DeliveryMeans): Promise<boolean[]> {
  try {
    await within(queueMs, means.enqueue(later));
    return later.map(() => true);
  } catch (error) {
    const { reference } = later[0]?.body.batch ?? {};
    log("error", "push.queue.failed", { reference, count: later.length, error: String(error) });
    return later.map(() => false);
  }
}

async function inParallel<Item, Outcome>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<Outcome>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const entries = items.entries();
  const worker = async () => {
    for (const [at, item] of entries) outcomes[at] = await work(item);
  };
  await Promise.all(Array.from({ length: count }, worker));
  return outcomes;
}
