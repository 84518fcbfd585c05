/** The rate card in D1. */
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
