/** `POST /v1/statistics`: what a party's SDK measured of a call. Needs `instance`. */
import { Hono } from "hono";
import * as z from "zod/mini";
import { mayCall } from "../../core/applications/applications";
import { findCall, type StoredCall, writeStatistics } from "../../core/calls/archive";
import { archiveFor } from "../../core/db/database";
import { callSession } from "../../durable-objects/names";
import type { EndCause } from "../../protocol";
import type { EdgeEnv } from "../context";
import { parseBody, refuse, refuseWith } from "../respond";
import { applicationKey, between, text, uuid } from "../schemas";

const endCauses = [
  "none",
  "timeout",
  "denied",
  "noAnswer",
  "failure",
  "hungUp",
  "canceled",
  "otherDeviceAnswered",
  "inactive",
  "insufficientFunds",
] as const satisfies EndCause[];

/** A call lasts 4 hours at most; a day leaves room for clocks that jump. */
const duration = between(0, 86_400_000);
const kbps = between(0, 1_000_000);
const label = text(128);

const statistics = z.object({
  callId: uuid,
  origin: z.optional(applicationKey),
  direction: z.enum(["outgoing", "incoming"], "has to be outgoing or incoming"),
  endCause: z.enum(endCauses, "has to be an end cause"),
  errorCode: z.optional(z.int().check(z.minimum(10_000), z.maximum(99_999))),
  setup: z.object({
    ringing: z.optional(duration),
    answered: z.optional(duration),
    established: z.optional(duration),
    ended: duration,
  }),
  mediaAfterAnswer: z.optional(duration),
  roundTripMs: z.optional(between(0, 600_000)),
  jitterMs: z.optional(between(0, 600_000)),
  lossRatio: z.optional(between(0, 1)),
  audioKbps: z.optional(kbps),
  videoKbps: z.optional(kbps),
  audioCodec: z.optional(label),
  videoCodec: z.optional(label),
  localCandidate: z.optional(label),
  remoteCandidate: z.optional(label),
  mos: z.optional(between(1, 5)),
  userAgent: text(512, 0),
  sdk: label,
});

interface Party {
  applicationKey: string;
  userId: string;
}

export const statisticsRoute = new Hono<EdgeEnv>().post("/", async (context) => {
  const parsed = parseBody(context, statistics);
  if (!parsed.ok) return refuse(context, parsed.error);
  const { instance } = context.var;
  const origin = parsed.value.origin ?? instance.applicationKey;
  if (!(await mayCall(context.env.DB, instance.applicationKey, origin))) {
    return refuseWith(context, "notFound");
  }
  const archive = archiveFor(context.env, origin);
  const call = await findCall(archive, origin, parsed.value.callId);
  // A party's word may come before the record of its call: then the call's session knows.
  const took = call
    ? tookPart(call, instance)
    : await callSession(context.env, origin, parsed.value.callId).knows(
        instance.applicationKey,
        instance.userId,
      );
  if (!took) return refuseWith(context, "notFound");
  await writeStatistics(archive, instance, parsed.value, Date.now());
  return context.body(null, 204);
});

function tookPart(call: StoredCall, party: Party): boolean {
  const sides = [
    [call.callerLine, call.applicationKey, call.callerUserId],
    [call.line, call.calleeApplicationKey, call.calleeUserId],
  ];
  // Numbers and conferences may have the id of a user.
  return sides.some(
    ([line, key, userId]) => line === null && key === party.applicationKey && userId === party.userId,
  );
}
