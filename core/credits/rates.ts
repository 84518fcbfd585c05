/** The rate card in D1. */
import { byteLength } from "../../protocol";
import type { Rate } from "./rate";

const columns = "prefix, name, per_minute AS perMinute, connect_fee AS connectFee, increment";

/** The rate of a number, E.164 with its +: that of the longest prefix. */
export async function findRate(db: D1Database, number: string): Promise<Rate | undefined> {
  const digits = number.slice(1);
  const prefixes = Array.from(digits, (_, at) => digits.slice(0, at + 1));
  const rate = await db
    .prepare(
      `SELECT ${columns} FROM rates WHERE prefix IN (SELECT value FROM json_each(?))
       ORDER BY length(prefix) DESC LIMIT 1`,
    )
    .bind(JSON.stringify(prefixes))
    .first<Rate>();
  return rate ?? undefined;
}

/** In the order of their prefixes, from above the prefix `after`. */
export async function listRates(db: D1Database, page: { after: string; limit: number }): Promise<Rate[]> {
  const { results } = await db
    .prepare(`SELECT ${columns} FROM rates WHERE prefix > ? ORDER BY prefix LIMIT ?`)
    .bind(page.after, page.limit)
    .all<Rate>();
  return results;
}

/** A value in D1 has at most 2 MB. */
const chunkBytes = 1_000_000;
/** In the order of texts, behind all digits. */
const end = ":";

/** A chunk has all there is from its first prefix to the next chunk's: what is not in it goes. */
const removeMissing = `DELETE FROM rates WHERE prefix >= ?1 AND prefix < ?2
  AND prefix NOT IN (SELECT value ->> 0 FROM json_each(?3))`;
const write = `
  INSERT INTO rates (prefix, name, per_minute, connect_fee, increment)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?1) WHERE true
  ON CONFLICT (prefix) DO UPDATE SET name = excluded.name, per_minute = excluded.per_minute,
    connect_fee = excluded.connect_fee, increment = excluded.increment
  WHERE (rates.name, rates.per_minute, rates.connect_fee, rates.increment)
    <> (excluded.name, excluded.per_minute, excluded.connect_fee, excluded.increment)`;

/**
 * Puts a card in the place of the one that there is: all of it or, when it fails, nothing. A row is
 * written for each line that is another one, not for those that stay. Answers how many were.
 */
export async function replaceRates(db: D1Database, rates: readonly Rate[]): Promise<number> {
  const sorted = [...rates].sort((one, other) => (one.prefix < other.prefix ? -1 : 1));
  const chunks = [...inChunks(sorted)];
  const statements = chunks.flatMap(({ from, json }, at) => [
    db.prepare(removeMissing).bind(at === 0 ? "" : from, chunks[at + 1]?.from ?? end, json),
    db.prepare(write).bind(json),
  ]);
  const outcomes = await db.batch(statements);
  return outcomes.reduce((sum, { meta }) => sum + meta.changes, 0);
}

function* inChunks(rates: readonly Rate[]): Generator<{ from: string; json: string }> {
  let [rows, size, from]: [string[], number, string] = [[], 0, ""];
  const chunk = () => ({ from, json: `[${rows.join()}]` });
  for (const { prefix, name, perMinute, connectFee, increment } of rates) {
    const row = JSON.stringify([prefix, name, perMinute, connectFee, increment]);
    if (size + byteLength(row) > chunkBytes) {
      yield chunk();
      [rows, size] = [[], 0];
    }
    if (rows.length === 0) from = prefix;
    rows.push(row);
    size += byteLength(row) + 1;
  }
  yield chunk();
}
