/** What is left of a call in D1, once it is over. Doing it again changes nothing. */
import { writeCallRecord } from "../../core/calls/archive";
import type { CallData } from "../../core/calls/call-data";
import { archiveFor } from "../../core/db/database";
import type { Env } from "../env";
import { settleCall } from "./line";

/** Settles what the call has cost, and writes its record. */
export async function recordCall(env: Env, call: CallData, now: number): Promise<void> {
  const { applicationKey, callId, caller, callee, video, times, cause, error } = call;
  const cost = await settleCall(env.DB, call, now);
  await writeCallRecord(archiveFor(env, applicationKey), {
    applicationKey,
    callId,
    callerUserId: caller.userId,
    calleeApplicationKey: callee.applicationKey,
    calleeUserId: callee.userId,
    callerLine: caller.line,
    line: callee.line,
    cost,
    video,
    times,
    endCause: cause,
    errorCode: error?.errorCode,
  });
}
