/** Tells hubs what became of their pushes, and notes the dead tokens that they have dropped. */
import { log } from "../../core/log";
import type { DeadToken } from "../../core/push/feedback";
import { within } from "../../core/within";
import type { PushReport, PushResult } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import type { PushJob } from "./attempt";
import type { Settled } from "./deliver";

export interface ReportMeans {
  /** Answers the instances whose token the hub has dropped. */
  report: (user: UserAddress, report: PushReport) => Promise<string[]>;
  noteDead: (token: DeadToken) => Promise<void>;
  /** Milliseconds since 1970. */
  now: () => number;
}

const reportTries = 3;
const reportMs = 3_000;
const noteMs = 5_000;

/** One push of one user. */
interface Open {
  left: number;
  /** What can be told. */
  known: Settled[];
  /** Resolved when the queue has taken or refused one. */
  queued: Promise<void>[];
}

/**
 * One report for each push, as soon as all attempts of it are made: the hub sends again what it has
 * not heard of. What the queue takes its time to take has a report of its own.
 */
export class PushReports {
  readonly #open = new Map<string, Open>();
  readonly #running: Promise<void>[] = [];
  readonly #nobodys: PushJob[] = [];

  constructor(
    jobs: readonly PushJob[],
    private readonly means: ReportMeans,
  ) {
    for (const job of jobs) this.#of(job).left += 1;
  }

  /** `queued`: of what is to be tried again, whether the queue has it. */
  add(one: Settled, queued?: Promise<boolean>): void {
    const open = this.#of(one.job);
    const isKnown = (isTaken: boolean) => {
      if (isTaken) open.known.push(one);
      else this.#nobodys.push(one.job);
    };
    if (queued) open.queued.push(queued.then(isKnown));
    else open.known.push(one);
    open.left -= 1;
    if (open.left === 0) this.#running.push(this.#finish(open));
  }

  /** After the last one was added. Answers those that nobody has, which no hub was told of. */
  async end(): Promise<PushJob[]> {
    await Promise.all(this.#running);
    return this.#nobodys;
  }

  #of({ batch: { user, push } }: PushJob): Open {
    const key = JSON.stringify([user.applicationKey, user.userId, push]);
    const open = this.#open.get(key) ?? { left: 0, known: [], queued: [] };
    this.#open.set(key, open);
    return open;
  }

  async #finish(open: Open): Promise<void> {
    const first = this.#tell(open.known.splice(0));
    await Promise.all(open.queued);
    await Promise.all([first, this.#tell(open.known.splice(0))]);
  }

  async #tell(settled: Settled[]): Promise<void> {
    const [one] = settled;
    if (!one) return;
    const { user, push, reference } = one.job.batch;
    const dropped = await this.#report(user, { push, results: settled.map(resultOf), reference });
    const dead = settled.filter(({ target }) => dropped.includes(target.instanceId));
    await Promise.all(dead.map((one) => this.#noteDead(one)));
  }

  async #report(user: UserAddress, report: PushReport): Promise<string[]> {
    for (let attempt = 1; attempt <= reportTries; attempt += 1) {
      try {
        return await within(reportMs, this.means.report(user, report));
      } catch (error) {
        log("warn", "push.report.failed", { reference: report.reference, attempt, error: String(error) });
      }
    }
    return [];
  }

  async #noteDead({ job, target, push, outcome }: Settled): Promise<void> {
    if (!push || outcome?.kind !== "dead") return;
    const { user, reference } = job.batch;
    const { instanceId, device } = target;
    const about = { provider: device.provider, token: push.token, reason: outcome.reason };
    try {
      const noting = this.means.noteDead({ ...user, instanceId, ...about, time: this.means.now() });
      await within(noteMs, noting);
    } catch (error) {
      log("warn", "push.feedback.failed", { reference, error: String(error) });
    }
  }
}

function resultOf({ target, push, outcome, result }: Settled): PushResult {
  const { instanceId, registered } = target;
  if (outcome?.kind !== "dead") return { instanceId, result };
  return { instanceId, result, token: push?.token, registered, since: outcome.since };
}
