/** Call records and what the parties measured: written once at the end of a call, read by REST. */
import { and, desc, eq, gte, inArray, isNull, lt, or } from "drizzle-orm";
import type { CallStatistics, CallTimes, EndCause } from "../../protocol";
import { database } from "../db/database";
import { callStatistics, calls, deletedUsers } from "../db/schema";
import type { Line } from "./call-data";

/** A call that has ended. It belongs to the caller's application. */
export interface CallRecord {
  applicationKey: string;
  callId: string;
  /** Of a conference its id. */
  callerUserId: string;
  calleeApplicationKey: string;
  /** Of a line its number, address or id. */
  calleeUserId: string;
  /** Missing when the caller is a user. */
  callerLine?: Line;
  /** Missing when the callee is a user. */
  line?: Line;
  video: boolean;
  times: CallTimes;
  endCause: EndCause;
  /** A code of the error table, when an error ended it. */
  errorCode?: number;
  /** Of a phone call, micro-units. */
  cost?: number;
}

/** A record as it is read: with the time from established to ended, milliseconds. */
export type StoredCall = Omit<CallRecord, "errorCode" | "callerLine" | "line" | "cost"> & {
  callerLine: Line | null;
  line: Line | null;
  errorCode: number | null;
  cost: number | null;
  duration: number;
};

/** Who measured, and what. */
export interface StoredStatistics {
  applicationKey: string;
  userId: string;
  instanceId: string;
  statistics: CallStatistics;
}

/** The party that statistics come from. */
export interface StatisticsParty {
  applicationKey: string;
  userId: string;
  instanceId: string;
}

/** From established to ended, milliseconds; 0 for a call that never was established. */
export function callDuration(times: CallTimes): number {
  if (times.established === undefined || times.ended === undefined) return 0;
  return Math.max(0, times.ended - times.established);
}

/**
 * Writes a record; writing it again changes nothing. A call of a user who was deleted since it began
 * is not written. `db` is what `archiveFor` gives for the application.
 */
export async function writeCallRecord(db: D1Database, record: CallRecord): Promise<void> {
  const { applicationKey, callerUserId, calleeApplicationKey, calleeUserId, line, times } = record;
  const parties = [
    ...(record.callerLine ? [] : [callerUserId]),
    ...(calleeApplicationKey === applicationKey && !line ? [calleeUserId] : []),
  ];
  const [gone] = await database(db)
    .select({ userId: deletedUsers.userId })
    .from(deletedUsers)
    .where(
      and(
        eq(deletedUsers.applicationKey, applicationKey),
        inArray(deletedUsers.userId, parties),
        gte(deletedUsers.time, times.started),
      ),
    )
    .limit(1);
  if (gone) return;
  const row = { ...record, duration: callDuration(times) };
  await database(db)
    .insert(calls)
    .values(row)
    // Ids are made by clients: the first call of an id keeps its record, and no phone call is made with it.
    .onConflictDoNothing();
}

/** One call of the application. */
export async function findCall(
  db: D1Database,
  applicationKey: string,
  callId: string,
): Promise<StoredCall | undefined> {
  const [call] = await database(db)
    .select()
    .from(calls)
    .where(and(eq(calls.applicationKey, applicationKey), eq(calls.callId, callId)));
  return call;
}

/** The application's calls, newest first, from below the call id `before`. */
export async function listCalls(
  db: D1Database,
  applicationKey: string,
  page: { userId?: string; before?: string; limit: number },
): Promise<StoredCall[]> {
  const { userId, before } = page;
  return database(db)
    .select()
    .from(calls)
    .where(
      and(
        eq(calls.applicationKey, applicationKey),
        before === undefined ? undefined : lt(calls.callId, before),
        userId === undefined
          ? undefined
          : or(
              // A user of another application, a number, or a conference may have the same id.
              and(eq(calls.callerUserId, userId), isNull(calls.callerLine)),
              and(
                eq(calls.calleeUserId, userId),
                eq(calls.calleeApplicationKey, applicationKey),
                isNull(calls.line),
              ),
            ),
      ),
    )
    .orderBy(desc(calls.callId))
    .limit(page.limit);
}

/** Stores what a party measured; the last word of an instance on a call counts. */
export async function writeStatistics(
  db: D1Database,
  party: StatisticsParty,
  statistics: CallStatistics,
  now: number,
): Promise<void> {
  const row = {
    applicationKey: statistics.origin ?? party.applicationKey,
    callId: statistics.callId,
    userId: party.userId,
    instanceId: party.instanceId,
    userApplicationKey: party.applicationKey,
    created: now,
    mos: statistics.mos ?? null,
    statistics,
  };
  await database(db)
    .insert(callStatistics)
    .values(row)
    .onConflictDoUpdate({
      target: [
        callStatistics.applicationKey,
        callStatistics.callId,
        callStatistics.userId,
        callStatistics.instanceId,
      ],
      set: { created: now, mos: row.mos, statistics },
    });
}

/** What the parties of a call measured. */
export async function readStatistics(
  db: D1Database,
  applicationKey: string,
  callId: string,
): Promise<StoredStatistics[]> {
  const rows = await database(db)
    .select()
    .from(callStatistics)
    .where(and(eq(callStatistics.applicationKey, applicationKey), eq(callStatistics.callId, callId)))
    .limit(200);
  return rows.map((row) => ({
    applicationKey: row.userApplicationKey,
    userId: row.userId,
    instanceId: row.instanceId,
    statistics: row.statistics,
  }));
}
