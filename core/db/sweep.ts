/**
 * Deletes rows that no index finds, some in each run of the cron.
 *
 * An index costs a written row per insert. A sweep goes over a table in the order of its primary
 * key instead and deletes what is to go, then rests until a day after it began: what is to go goes
 * within a day, or within a sweep where that takes longer.
 */

const dayMs = 86_400_000;
/** D1 is single-threaded: this is some ten milliseconds. 7 million rows a day and table. */
const rowsPerRun = 5_000;

/** A table, and which of its rows go. */
export interface Swept {
  table: string;
  /** The columns of the primary key. The first is a text that is not empty. */
  key: readonly string[];
  /** SQL. */
  where: string;
  /** The values of its `?`. */
  values: readonly (string | number)[];
}

/** One step. */
export async function sweep(
  db: D1Database,
  { table, key, where, values }: Swept,
  now: number,
  rows = rowsPerRun,
): Promise<void> {
  const last = await db
    .prepare("SELECT position, begun FROM sweeps WHERE name = ?")
    .bind(table)
    .first<{ position: string | null; begun: number }>();
  const atStart = !last?.position;
  if (last && atStart && now - last.begun < dayMs) return;
  const from: (string | number)[] = last?.position ? JSON.parse(last.position) : key.map(() => "");
  const columns = `(${key.join(", ")})`;
  const parameters = `(${key.map(() => "?").join(", ")})`;
  const end = await db
    .prepare(
      `SELECT ${key.join(", ")} FROM ${table} WHERE ${columns} > ${parameters}
       ORDER BY ${key.join(", ")} LIMIT 1 OFFSET ?`,
    )
    .bind(...from, rows - 1)
    .first<Record<string, string | number>>();
  const to = end && key.map((column) => end[column] ?? "");
  const range = `${columns} > ${parameters}${to ? ` AND ${columns} <= ${parameters}` : ""}`;
  await db.batch([
    db.prepare(`DELETE FROM ${table} WHERE ${range} AND (${where})`).bind(...from, ...(to ?? []), ...values),
    db
      .prepare("INSERT OR REPLACE INTO sweeps (name, position, begun) VALUES (?, ?, ?)")
      .bind(table, to && JSON.stringify(to), last && !atStart ? last.begun : now),
  ]);
}

/** Sweeps that rest begin anew. One that is under way is not disturbed: the next one is a day away at most. */
export async function sweepAgain(db: D1Database, tables: readonly string[]): Promise<void> {
  await db
    .prepare(
      "UPDATE sweeps SET begun = 0 WHERE position IS NULL AND name IN (SELECT value FROM json_each(?))",
    )
    .bind(JSON.stringify(tables))
    .run();
}
