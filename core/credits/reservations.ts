/**
 * What a phone call holds of its account's credit, and what it is charged: `docs/credits.md`. Each
 * function is one batch, and repeating one that may have failed changes nothing.
 */
import { fail, ok, type Result, serverLimits } from "../../protocol";
import { append, balanceOf, given, inOneBatch } from "./append";
import { incrementPrice, type Rate } from "./rate";

/** A call with a reservation. */
export interface PaidCall {
  applicationKey: string;
  callId: string;
}

const abandonedMs = serverLimits.abandonedMinutes * 60_000;

const ofCall = `application_key = ${given("applicationKey")} AND call_id = ${given("callId")}`;
/** The key of an entry of the call; a slice of the reservation has its number behind it. */
const keyOf = (kind: string) => `'${kind}:' || ${given("applicationKey")} || '/' || ${given("callId")}`;
const sliceKey = `${keyOf("reserve")} || '/' || ${given("slice")}`;
/** The open reservation of the call, as an entry of its account. */
const entryOf = (kind: string, amount: string, key: string, from = "reservations") =>
  `SELECT account_id, '${kind}' kind, ${amount} amount, ${key} key, application_key, call_id, NULL note
   FROM ${from} WHERE ${ofCall} AND settled IS NULL`;

const open = `
  INSERT INTO reservations
    (application_key, call_id, account_id, rate, held, slices, opened, check_at)
  SELECT ${given("applicationKey")}, ${given("callId")}, ${given("accountId")}, ?1 -> 'rate', held, 1,
    ${given("now")}, ${given("checkAt")}
  FROM (
    SELECT min(${given("wanted")}, iif(balance < fee + price, 0,
      -- Divided by 0 is null: nothing beyond the fee has to be paid.
      fee + ifnull((balance - fee) / price, 0) * price)) held
    FROM (SELECT ${balanceOf(given("accountId"))} balance, ${given("fee")} fee,
      ${given("price")} price)
  )
  WHERE held >= ${given("least")}
  ON CONFLICT (application_key, call_id) DO NOTHING`;
/** Not of what slices have added: where the first one was nothing, there is no entry with its key. */
const hold = append(`${entryOf("reserve", "-held", sliceKey)} AND slices = 1`);
const readHeld = `SELECT held, settled, rate FROM reservations WHERE ${ofCall}`;

/**
 * Holds what a call may cost before it dials: as much as is wanted, or as many whole increments as
 * the balance pays for. A call that has a reservation keeps it, and the rate of it.
 *
 * Errors: insufficientFunds (for `least`), conflict (this call was settled).
 */
export async function reserve(
  db: D1Database,
  what: PaidCall & { accountId: string; rate: Rate; wanted: number; least: number; now: number },
): Promise<Result<{ held: number; rate: Rate }>> {
  const { rate, now } = what;
  const prices = { fee: rate.connectFee, price: incrementPrice(rate) };
  const parameter = { ...what, ...prices, slice: 1, checkAt: now + abandonedMs };
  const [found] = await inOneBatch<Held & { rate: string }>(db, [open, hold, readHeld], parameter);
  if (!found) return fail("insufficientFunds");
  if (found.settled !== null) return settledBefore();
  return ok({ held: found.held, rate: JSON.parse(found.rate) as Rate });
}

interface Held {
  held: number;
  settled: number | null;
}

const priceOfRate = "(((rate ->> 'perMinute') * (rate ->> 'increment') + 59) / 60)";
/** The reservation with the price of an increment, and how many of them it gets more. */
const withGrant = `(
  SELECT *, min(max(1, ${given("wanted")} / price), balance / price) * price added
  FROM (SELECT *, ${priceOfRate} price, ${balanceOf("reservations.account_id")} balance FROM reservations WHERE ${ofCall}))`;
const holdMore = append(
  `${entryOf("reserve", "-added", sliceKey, withGrant)} AND slices < ${given("slice")} AND added > 0`,
);
const slice = `SELECT amount FROM ledger
  WHERE ledger.account_id = reservations.account_id AND ledger.key = ${sliceKey}`;
const addSlice = `
  UPDATE reservations SET held = held - (${slice}), slices = ${given("slice")}
  WHERE ${ofCall} AND settled IS NULL AND slices < ${given("slice")} AND EXISTS (${slice})`;
const readSlice = `
  SELECT held, settled, slices >= ${given("slice")} OR ${priceOfRate} = 0 granted
  FROM reservations WHERE ${ofCall}`;

/**
 * Holds more for a call that goes on: whole increments up to what is wanted, one at least. Slices
 * are numbered from 2; one that was granted is not granted again. `held` is all that the call has.
 *
 * Errors: insufficientFunds, notFound (no reservation), conflict (settled).
 */
export async function extend(
  db: D1Database,
  what: PaidCall & { slice: number; wanted: number; now: number },
): Promise<Result<{ held: number }>> {
  const statements = [holdMore, addSlice, readSlice];
  const [found] = await inOneBatch<Held & { granted: number }>(db, statements, what);
  if (!found) return fail("notFound", { detail: "The call has no reservation." });
  if (found.settled !== null) return settledBefore();
  return found.granted ? ok({ held: found.held }) : fail("insufficientFunds");
}

const release = append(entryOf("release", "held", keyOf("release")));
/** What is released can be charged; more than the account has cannot. */
const charge = append(
  entryOf("charge", `-min(${given("cost")}, ${balanceOf("reservations.account_id")})`, keyOf("charge")),
);
const close = `
  UPDATE reservations SET settled = ${given("now")}, charged = -ifnull((SELECT amount FROM ledger
    WHERE ledger.account_id = reservations.account_id AND ledger.key = ${keyOf("charge")}), 0)
  WHERE ${ofCall} AND settled IS NULL`;
const readCharged = `SELECT charged FROM reservations WHERE ${ofCall}`;

/**
 * Releases what a call holds and charges what it cost, or what the account has left when that is less.
 * A call is settled once: a second time answers what was charged. Null: there is no reservation.
 */
export async function settle(
  db: D1Database,
  what: PaidCall & { cost: number; now: number },
): Promise<{ charged: number } | null> {
  const statements = [release, charge, close, readCharged];
  const [found] = await inOneBatch<{ charged: number }>(db, statements, what);
  return found ?? null;
}

/** Calls that hold credit and were due to be looked for, those first that have waited longest. */
export async function abandoned(db: D1Database, now: number, limit: number): Promise<PaidCall[]> {
  const { results } = await db
    .prepare(
      `SELECT application_key AS applicationKey, call_id AS callId FROM reservations
       WHERE settled IS NULL AND check_at <= ? ORDER BY check_at LIMIT ?`,
    )
    .bind(now, limit)
    .all<PaidCall>();
  return results;
}

/** The call is there: somebody looks again later. */
export async function postpone(
  db: D1Database,
  { applicationKey, callId }: PaidCall,
  checkAt: number,
): Promise<void> {
  await db
    .prepare("UPDATE reservations SET check_at = ? WHERE application_key = ? AND call_id = ?")
    .bind(checkAt, applicationKey, callId)
    .run();
}

function settledBefore() {
  return fail("conflict", { detail: "This call was settled before." });
}
