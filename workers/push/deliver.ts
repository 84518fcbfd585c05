/** Sends pushes and sees to what became of each: the queue has it, its hub knows, a dead token is noted. */
import { Lanes } from "../../core/lanes";
import { log } from "../../core/log";
import type { DeadToken } from "../../core/push/feedback";
import { retryDelay } from "../../core/push/retry";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushReport, PushResult } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { type Attempted, type AttemptMeans, attemptPush, type PushJob } from "./attempt";
import { logAttempt, logRefusedCredentials } from "./push-log";

/** For the queue, which knows whole seconds. */
export interface Later {
  body: LaterPush;
  delaySeconds: number;
}

/** An attempt, and what is to be done about it. */
export interface Settled extends Attempted {
  /** Null: nobody has it. */
  result: PushResult["result"] | null;
  /** Seconds, of what the queue is to have. */
  delay?: number;
}

export interface DeliveryMeans extends AttemptMeans {
  /** To the queue. */
  enqueue: (later: Later[]) => Promise<void>;
  report: (user: UserAddress, report: PushReport) => Promise<void>;
  noteDead: (token: DeadToken) => Promise<void>;
}

/** A request may have six connections at a time. */
const connections = 6;
/** Of a queue: 256 KB together. */
const queueBatch = { count: 50, size: 200_000 };
const reportTries = 3;

/**
 * Attempts each push once. Answers those that are nobody's now, because the queue did not take them.
 * Never throws.
 */
export async function deliverPushes(jobs: readonly PushJob[], means: DeliveryMeans): Promise<PushJob[]> {
  // What is to be tried again does not wait for a provider that hangs.
  const queue = new Lanes<Later, boolean>((_, later) => enqueue(later, means), {
    ...queueBatch,
    sizeOf: (later) => JSON.stringify(later).length,
  });
  const settled = await inParallel(jobs, connections, async (job) => {
    const one = settle(await attemptPush(job, means), means.now());
    logAttempt(one);
    await noteDead(one, means);
    if (one.result !== "later" || (await queue.push("", laterOf(one)))) return one;
    // Not reported on, so that it is sent again.
    return { ...one, result: null };
  });
  logRefusedCredentials(settled);
  await report(settled, means);
  return settled.flatMap(({ result, job }) => (result === null ? [job] : []));
}

function settle(attempted: Attempted, now: number): Settled {
  const { push, outcome, job } = attempted;
  if (!push) return { ...attempted, result: "failed" };
  if (!outcome) return { ...attempted, result: "later", delay: 0 };
  if (outcome.kind === "sent" || outcome.kind === "dead") return { ...attempted, result: outcome.kind };
  const delay = retryDelay(push, outcome, job.attempt + 1, now);
  return delay === null ? { ...attempted, result: "failed" } : { ...attempted, result: "later", delay };
}

function laterOf({ job, outcome, delay = 0 }: Settled): Later {
  const batch = { ...job.batch, devices: [job.target] };
  return { body: { batch, attempt: job.attempt + (outcome ? 1 : 0) }, delaySeconds: delay };
}

/** Whether the queue has each. */
async function enqueue(later: Later[], means: DeliveryMeans): Promise<boolean[]> {
  try {
    await means.enqueue(later);
    return later.map(() => true);
  } catch (error) {
    const { reference } = later[0]?.body.batch ?? {};
    log("error", "push.queue.failed", { reference, count: later.length, error: String(error) });
    return later.map(() => false);
  }
}

async function noteDead({ job, push, outcome }: Settled, means: DeliveryMeans): Promise<void> {
  if (!push || outcome?.kind !== "dead") return;
  const { user, reference } = job.batch;
  const { instanceId, device } = job.target;
  const about = { provider: device.provider, token: push.token, reason: outcome.reason };
  try {
    await means.noteDead({ ...user, instanceId, ...about, time: means.now() });
  } catch (error) {
    log("warn", "push.feedback.failed", { reference, error: String(error) });
  }
}

/** One report for each push. A hub that does not hear of one sends it again. */
async function report(settled: Settled[], means: DeliveryMeans): Promise<void> {
  const reports = new Map<string, { user: UserAddress; report: PushReport }>();
  for (const { job, push, outcome, result } of settled) {
    if (result === null) continue;
    const { user, push: name, reference } = job.batch;
    const key = JSON.stringify([user.applicationKey, user.userId, name]);
    const known = reports.get(key) ?? { user, report: { push: name, results: [], reference } };
    reports.set(key, known);
    const token = outcome?.kind === "dead" && { token: push?.token, since: outcome.since };
    known.report.results.push({ instanceId: job.target.instanceId, result, ...token });
  }
  await Promise.all([...reports.values()].map(({ user, report }) => reportOne(user, report, means)));
}

async function reportOne(user: UserAddress, report: PushReport, means: DeliveryMeans): Promise<void> {
  for (let attempt = 1; attempt <= reportTries; attempt += 1) {
    try {
      return await means.report(user, report);
    } catch (error) {
      log("warn", "push.report.failed", { reference: report.reference, attempt, error: String(error) });
    }
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
