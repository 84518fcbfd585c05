/**
 * Deletes calls and statistics that have been kept long enough, and those of users who were
 * deleted: by a sweep, since a call id is made by a client, so that its order need not be that of
 * time.
 */
import { sweep } from "../db/sweep";

const dayMs = 86_400_000;
const defaultDays = 90;

/** What `RETENTION_DAYS` says. Throws when that is no number: then nothing is deleted. */
export function retentionDays(setting: string | undefined): number {
  if (setting === undefined || setting === "") return defaultDays;
  const days = Number(setting);
  if (!(days >= 0)) throw new Error("RETENTION_DAYS has to be a number of days, or 0 to keep everything");
  return days;
}

/** One step in each table of a database. `days` of 0: only deleted users are forgotten. */
export async function forgetOldCalls(
  db: D1Database,
  now: number,
  days: number,
  rows?: number,
): Promise<void> {
  const values = [days === 0 ? 0 : now - days * dayMs];
  const calls = {
    table: "calls",
    key: ["application_key", "call_id"],
    where: `json_extract(times, '$.started') < ? OR ${deletedParty}`,
    values,
  };
  const statistics = {
    table: "call_statistics",
    key: ["application_key", "call_id", "user_id", "instance_id"],
    where: `created < ? OR ${deletedMeasurer}`,
    values,
  };
  for (const swept of [calls, statistics]) await sweep(db, swept, now, rows);
}

/** A user of another application, a number, or a conference may have the same id. */
const deletedParty = `EXISTS (SELECT 1 FROM deleted_users gone
  WHERE gone.application_key = calls.application_key AND gone.time >= json_extract(times, '$.started')
    AND gone.user_id IN (CASE WHEN caller_line IS NULL THEN caller_user_id END,
      CASE WHEN callee_application_key = calls.application_key AND line IS NULL THEN callee_user_id END))`;

const deletedMeasurer = `EXISTS (SELECT 1 FROM deleted_users gone
  WHERE gone.application_key = call_statistics.application_key
    AND gone.application_key = user_application_key
    AND gone.user_id = call_statistics.user_id AND gone.time >= created)`;
