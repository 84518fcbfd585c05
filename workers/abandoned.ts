/** Reservations whose call was lost: their credit comes back, by cron. */
import { abandoned, type PaidCall, postpone, settle } from "../core/credits/reservations";
import { log } from "../core/log";
import type { Env } from "../durable-objects/env";
import { callSession } from "../durable-objects/names";
import { serverLimits } from "../protocol";

/** A Worker may ask the database 1,000 times, and one that is settled takes 4. */
const callsPerRun = 200;
/** A Worker has 6 connections at a time. */
const concurrency = 6;
const abandonedMs = serverLimits.abandonedMinutes * 60_000;

/**
 * Asks the sessions of the calls that have held credit for long, and settles those that nobody else
 * will. A call that was lost costs nothing: nobody knows how long it was.
 */
export async function settleAbandoned(env: Env, reference: string, now: number): Promise<void> {
  const calls = await abandoned(env.DB, now, callsPerRun);
  for (let at = 0; at < calls.length; at += concurrency) {
    await Promise.all(calls.slice(at, at + concurrency).map((call) => look(env, call, reference, now)));
  }
}

async function look(env: Env, call: PaidCall, reference: string, now: number): Promise<void> {
  const what = { reference, application: call.applicationKey, callId: call.callId };
  try {
    if (await callSession(env, call.applicationKey, call.callId).bills()) {
      await postpone(env.DB, call, now + 1.5 * abandonedMs);
    } else {
      await settle(env.DB, { ...call, cost: 0, now });
      log("warn", "credits.abandoned", what);
    }
  } catch (error) {
    log("warn", "credits.failed", { ...what, error: String(error) });
    // Behind the others: those that fail and fail again are in nobody's way.
    await postpone(env.DB, call, now).catch(() => {});
  }
}
