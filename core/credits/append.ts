/**
 * How the ledger is written: SQL that other modules put into their batches.
 *
 * A batch of D1 is a transaction, in which a statement cannot see what the one before has changed but
 * by reading. So each one carries its own guard, and what must happen once asks for the entry's key.
 * All of them take one parameter, JSON: a number that is bound by itself would be a floating one.
 */

/** A field of the parameter. */
export const given = (name: string) => `(?1 ->> '${name}')`;

/** What an account has, by the SQL for its id: with its table's name, or the ledger's own is meant. */
export const balanceOf = (account: string) =>
  `ifnull((SELECT balance FROM ledger WHERE account_id = ${account} ORDER BY seq DESC LIMIT 1), 0)`;

/**
 * Appends the entry that a SELECT answers (account_id, kind, amount, key, application_key, call_id,
 * note), unless there is one with its key, or it moves nothing. Its time is the parameter's `now`,
 * and never before the last entry's.
 *
 * No ON CONFLICT: CHECK comes before it, and would fail for what was paid long ago.
 */
export const append = (entry: string) => `
  INSERT INTO ledger
    (account_id, seq, time, kind, amount, balance, key, application_key, call_id, note)
  SELECT entry.account_id, ifnull(last.seq, 0) + 1, max(${given("now")}, ifnull(last.time, 0)),
    entry.kind, entry.amount, ifnull(last.balance, 0) + entry.amount, entry.key,
    entry.application_key, entry.call_id, entry.note
  FROM (${entry}) entry
  LEFT JOIN ledger last ON last.account_id = entry.account_id
    AND last.seq = (SELECT max(seq) FROM ledger WHERE account_id = entry.account_id)
  WHERE entry.amount <> 0 AND NOT EXISTS
    (SELECT 1 FROM ledger twin WHERE twin.account_id = entry.account_id AND twin.key = entry.key)`;

/** Runs statements of one parameter as a batch, and answers the rows of the last one. */
export async function inOneBatch<T>(db: D1Database, statements: string[], parameter: object): Promise<T[]> {
  const json = JSON.stringify(parameter);
  const outcomes = await db.batch<T>(statements.map((sql) => db.prepare(sql).bind(json)));
  return outcomes.at(-1)?.results ?? [];
}
