/** What a session does for a call to a phone or a SIP address: money, and the leg. Everything here may be done twice. */
import { findCall } from "../../core/calls/archive";
import { costOfCall, sliceWanted } from "../../core/calls/billing";
import type { Bill, CallData, CallUser } from "../../core/calls/call-data";
import type { CallInput } from "../../core/calls/inputs";
import { currencyOf } from "../../core/credits/money";
import { incrementPrice, priceOf } from "../../core/credits/rate";
import { extend, reserve, settle } from "../../core/credits/reservations";
import { archiveFor } from "../../core/db/database";
import { log } from "../../core/log";
import { planLine } from "../../core/telephony/plan";
import type { Trunk } from "../../core/telephony/trunk";
import { type CallOperation, fail, ok, type Result } from "../../protocol";
import type { Env } from "../env";
import { sipDialog } from "../names";

/** What has to be there before a line is dialled. Errors: those of {@link planLine} and `reserve`. */
export async function prepareLine(
  env: Env,
  { callee, applicationKey, callId }: CallData,
  now: number,
): Promise<Result<{ bill?: Bill; trunks: Trunk[] }>> {
  if (callee.line === "test") return ok({ trunks: [] });
  const archive = archiveFor(env, applicationKey);
  const [plan, former] = await Promise.all([
    planLine(env.DB, callee),
    findCall(archive, applicationKey, callId),
  ]);
  if (!plan.ok) return plan;
  // Whoever was in a conference knows the ids of others' calls: what they leave behind is not written over.
  if (former) return fail("conflict", { detail: "a call of this id was made before" });
  const { trunks, price } = plan.value;
  if (!price) return ok({ trunks });
  const { accountId, rate } = price;
  const wanted = sliceWanted({ rate }, 1);
  const least = priceOf(rate, rate.increment);
  const reserved = await reserve(env.DB, { applicationKey, callId, accountId, rate, wanted, least, now });
  if (!reserved.ok) return reserved;
  return ok({ bill: { accountId, ...reserved.value, currency: currencyOf(env), slices: 1 }, trunks });
}

/** Has the leg dial. */
export async function dialLine(
  env: Env,
  { applicationKey, callId, reference, caller, callee, times, ringFor }: CallData,
  { offer, headers, displayName }: Extract<CallOperation, { op: "start" }>,
  trunks: Trunk[],
): Promise<void> {
  if (!isDialled(callee) || !offer) return;
  await sipDialog(env, applicationKey, callId).dial({
    applicationKey,
    callId,
    reference,
    callee,
    // The id of a conference may be anything that can be printed: no name for SIP.
    callerUserId: caller.line ? "conference" : caller.userId,
    displayName,
    headers,
    offer: offer.sdp,
    trunks,
    until: times.started + ringFor,
  });
}

/** Reserves what the next minutes cost. */
export async function fundCall(
  db: D1Database,
  { applicationKey, callId, reference, bill }: CallData,
  now: number,
): Promise<CallInput> {
  if (!bill) return { type: "unfunded" };
  const slice = bill.slices + 1;
  // At least one increment, however long it is.
  const wanted = Math.max(sliceWanted(bill, slice), incrementPrice(bill.rate));
  try {
    const more = await extend(db, { applicationKey, callId, slice, wanted, now });
    return more.ok ? { type: "funded", held: more.value.held, slice } : { type: "unfunded" };
  } catch (error) {
    log("warn", "call.fund.failed", { reference, callId, application: applicationKey, error: String(error) });
    return { type: "unfunded", failed: true };
  }
}

/**
 * Charges what a call has cost and gives back the rest; undefined where nothing was reserved. Without a
 * bill nobody knows: the answer to the reservation may have been lost.
 */
export async function settleCall(db: D1Database, call: CallData, now: number): Promise<number | undefined> {
  const { applicationKey, callId, reference, bill, callee } = call;
  if (callee.line !== "phone") return undefined;
  const cost = costOfCall(call)?.amount ?? 0;
  const settled = await settle(db, { applicationKey, callId, cost, now });
  if (settled && settled.charged < cost)
    log("warn", "call.underpaid", { reference, callId, application: applicationKey, cost, ...settled });
  return bill && settled?.charged;
}

function isDialled(callee: CallUser): callee is CallUser & { line: "phone" | "sip" } {
  return callee.line === "phone" || callee.line === "sip";
}
