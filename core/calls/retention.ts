/**
 * Deletes calls and statistics that have been kept long enough, some in each run of the cron.
 *
 * There is no index by time, which would cost a written row per call, and a call id is made by a
 * client, so that its order need not be that of time. So a sweep goes over each table in the order
 * of its primary key and deletes what is old, then rests until a day after it began: what is old
 * goes within a day, or within a sweep where that takes longer.
 */

const dayMs = 86_400_000;
const defaultDays = 90;
/** D1 is single-threaded: this is some ten milliseconds. 7 million rows a day and table. */
const rowsPerRun = 5_000;

/** The tables, and when a row of theirs is from. */
const swept = {
  calls: "json_extract(times, '$.started')",
  call_statistics: "created",
} as const;

/** What `RETENTION_DAYS` says. Throws when that is no number: then nothing is deleted. */
export function retentionDays(setting: string | undefined): number {
  if (setting === undefined || setting === "") return defaultDays;
  const days = Number(setting);
  if (!(days >= 0)) throw new Error("RETENTION_DAYS has to be a number of days, or 0 to keep everything");
  return days;
}

/** One step in each table of a database. `days` of 0: everything is kept. */
export async function forgetOldCalls(
  db: D1Database,
  now: number,
  days: number,
  rows = rowsPerRun,
): Promise<void> {
  if (days === 0) return;
  for (const table of ["calls", "call_statistics"] as const) {
    await sweep(db, table, { now, before: now - days * dayMs, rows });
  }
}

async function sweep(
  db: D1Database,
  table: keyof typeof swept,
  { now, before, rows }: { now: number; before: number; rows: number },
): Promise<void> {
  const last = await db
    .prepare("SELECT application_key, call_id, begun FROM sweeps WHERE name = ?")
    .bind(table)
    .first<{ application_key: string; call_id: string; begun: number }>();
  const atStart = !last?.application_key;
  if (last && atStart && now - last.begun < dayMs) return;
  const from = [last?.application_key ?? "", last?.call_id ?? ""];
  const to = await db
    .prepare(
      `SELECT application_key, call_id FROM ${table} WHERE (application_key, call_id) > (?, ?)
       ORDER BY application_key, call_id LIMIT 1 OFFSET ?`,
    )
    .bind(...from, rows - 1)
    .first<{ application_key: string; call_id: string }>();
  const old = `DELETE FROM ${table} WHERE ${swept[table]} < ? AND (application_key, call_id) > (?, ?)`;
  const begun = last && !atStart ? last.begun : now;
  await db.batch([
    to
      ? db
          .prepare(`${old} AND (application_key, call_id) <= (?, ?)`)
          .bind(before, ...from, to.application_key, to.call_id)
      : db.prepare(old).bind(before, ...from),
    db
      .prepare("INSERT OR REPLACE INTO sweeps (name, application_key, call_id, begun) VALUES (?, ?, ?, ?)")
      .bind(table, to?.application_key ?? "", to?.call_id ?? "", begun),
  ]);
}
