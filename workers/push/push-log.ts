/** What the log says of pushes: who, how and what for, and neither a token nor what the push said. */
import { type LogFields, log } from "../../core/log";
import type { Settled } from "./deliver";

export function logAttempt({ job, target, push, outcome, unasked, result, delay, ms }: Settled): void {
  const { batch, attempt } = job;
  const fields: LogFields = {
    reference: batch.reference,
    application: batch.application,
    user: batch.user.userId,
    instance: target.instanceId,
    provider: target.device.provider,
    kind: push?.kind,
    type: batch.content.type,
    attempt: attempt + 1,
    ms,
  };
  if (unasked) {
    log("warn", "push.question.failed", { ...fields, error: unasked });
    return;
  }
  if (!outcome) {
    if (result === "later") log("warn", "push.postponed", fields);
    return;
  }
  // One line for all that went well: with many devices, the log would cost more than the pushes.
  if (outcome.kind === "sent") return;
  const { kind: failure, reason } = outcome;
  if (failure === "dead") log("info", "push.token.dead", { ...fields, reason });
  // Nobody tries it any more, and it is ours to mend.
  else if (failure === "fault") log("error", "push.dead", { ...fields, reason });
  else log("warn", "push.failed", { ...fields, failure, reason, again: delay ?? null });
}

/** How many devices of each kind have got a push, and how long the slowest took. */
export function logSent(settled: readonly Settled[]): void {
  const sent = new Map<string, LogFields & { devices: number; ms: number }>();
  for (const { job, push, outcome, ms } of settled) {
    if (!push || outcome?.kind !== "sent") continue;
    const { reference, application, user, content } = job.batch;
    const { type } = content;
    const key = JSON.stringify([reference, job.batch.push, user, push.kind]);
    const fields = sent.get(key) ?? { devices: 0, ms: 0 };
    sent.set(key, {
      ...{ reference, application, user: user.userId, type, kind: push.kind },
      ...{ devices: fields.devices + 1, ms: Math.max(fields.ms, ms) },
    });
  }
  for (const fields of sent.values()) log("info", "push.sent", fields);
}

/** Once for each, however many devices there are: somebody has to mend it. */
export function logRefusedCredentials(settled: readonly Settled[]): void {
  const refused = new Map<string, LogFields & { devices: number }>();
  for (const { job, target, outcome, credentials } of settled) {
    if (outcome?.kind !== "credential") continue;
    const { application, reference } = job.batch;
    const { provider } = target.device;
    const { reason } = outcome;
    const credential = credentials?.join(" ");
    const key = JSON.stringify([application, provider, credential, reason]);
    const { devices } = refused.get(key) ?? { devices: 0 };
    refused.set(key, { reference, application, provider, credential, reason, devices: devices + 1 });
  }
  for (const fields of refused.values()) log("error", "push.credential.refused", fields);
}
