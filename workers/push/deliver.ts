/** Sends pushes and sees to what became of each: the queue has it, its hub knows, a dead token is noted. */
import { log } from "../../core/log";
import type { DeadToken } from "../../core/push/feedback";
import { retryDelay } from "../../core/push/retry";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushReport, PushResult } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { type Attempted, type AttemptMeans, attemptPush, type PushJob } from "./attempt";
import { logAttempts } from "./push-log";

/** An attempt, and what is to be done about it. */
export interface Settled extends Attempted {
  /** Null: nobody has it. */
  result: PushResult["result"] | null;
  /** Seconds, of what the queue is to have. */
  delay?: number;
}

export interface DeliveryMeans extends AttemptMeans {
  /** To the queue. `delaySeconds`: whole ones. */
  enqueue: (later: { body: LaterPush; delaySeconds: number }[]) => Promise<void>;
  report: (user: UserAddress, report: PushReport) => Promise<void>;
  noteDead: (token: DeadToken) => Promise<void>;
}

/** A request may have six connections at a time. */
const connections = 6;
/** Of a queue: 256 KB together. A token of FCM's may have 4 KB, and the headers of a call 6, every byte escaped. */
const queueBatch = 20;
const reportTries = 3;

/**
 * Attempts each push once. Answers those that are nobody's now, because the queue did not take them.
 * Never throws.
 */
export async function deliverPushes(jobs: readonly PushJob[], means: DeliveryMeans): Promise<PushJob[]> {
  const attempted = await inParallel(jobs, connections, (job) => attemptPush(job, means));
  const settled = attempted.map((one) => settle(one, means.now()));
  logAttempts(settled);
  await Promise.all([enqueue(settled, means), noteDead(settled, means)]);
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

/** What the queue does not take is nobody's: not reported on, so that it is sent again. */
async function enqueue(settled: Settled[], means: DeliveryMeans): Promise<void> {
  const later = settled.filter(({ result }) => result === "later");
  for (let at = 0; at < later.length; at += queueBatch) {
    const part = later.slice(at, at + queueBatch);
    try {
      await means.enqueue(
        part.map(({ job, outcome, delay = 0 }) => ({
          body: {
            batch: { ...job.batch, devices: [job.target] },
            attempt: job.attempt + (outcome ? 1 : 0),
          },
          delaySeconds: delay,
        })),
      );
    } catch (error) {
      const { reference } = part[0]?.job.batch ?? {};
      log("error", "push.queue.failed", { reference, count: part.length, error: String(error) });
      for (const one of part) one.result = null;
    }
  }
}

async function noteDead(settled: Settled[], means: DeliveryMeans): Promise<void> {
  await Promise.all(
    settled.map(async ({ job, push, outcome }) => {
      if (!push || outcome?.kind !== "dead") return;
      const { user, reference } = job.batch;
      const { instanceId, device } = job.target;
      const about = { provider: device.provider, token: push.token, reason: outcome.reason };
      try {
        await means.noteDead({ ...user, instanceId, ...about, time: means.now() });
      } catch (error) {
        log("warn", "push.feedback.failed", { reference, error: String(error) });
      }
    }),
  );
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
