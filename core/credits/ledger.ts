/** An account's credit: what it has, how that came about, and what is added to it. */
import { fail, ok, type Result } from "../../protocol";
import type { LedgerKind } from "../db/schema";
import { append, balanceOf, given, inOneBatch } from "./append";
import { toCsvLine } from "./csv";
import { amountMax, formatAmount } from "./money";
import type { PaidCall } from "./reservations";

/** An entry as it is read. Amounts are micro-units. */
export interface LedgerEntry {
  /** From 1, without gaps. */
  seq: number;
  /** Milliseconds since 1970; none is before that of the entry before. */
  time: number;
  kind: LedgerKind;
  /** Below zero when it takes away. */
  amount: number;
  /** After this entry. */
  balance: number;
  /** Of a top-up or a refund: the idempotency key that it came with. */
  key?: string;
  /** The call that it is about. */
  applicationKey?: string;
  callId?: string;
  note?: string;
}

interface Row extends Record<"applicationKey" | "callId" | "note", string | null> {
  seq: number;
  time: number;
  kind: LedgerKind;
  amount: number;
  balance: number;
  key: string;
}

const columns = `ledger.seq, ledger.time, ledger.kind, ledger.amount, ledger.balance, ledger.key,
  ledger.application_key AS applicationKey, ledger.call_id AS callId, ledger.note`;

/** What an account has, and whether its users may know; undefined: there is no such account. */
export async function readBalance(
  db: D1Database,
  accountId: string,
): Promise<{ balance: number; showBalance: boolean } | undefined> {
  const found = await db
    .prepare(
      `SELECT ${balanceOf("accounts.id")} AS balance, show_balance AS shown FROM accounts WHERE id = ?`,
    )
    .bind(accountId)
    .first<{ balance: number; shown: number }>();
  return found ? { balance: found.balance, showBalance: found.shown === 1 } : undefined;
}

const topUpEntry = `
  SELECT id account_id, 'topUp' kind, ${given("amount")} amount, ${given("entryKey")} key,
    NULL application_key, NULL call_id, ${given("note")} note
  FROM accounts
  WHERE id = ${given("accountId")} AND ${balanceOf("accounts.id")} + ${given("amount")} <= ${amountMax}`;
const readTopUp = `
  SELECT ${columns} FROM accounts
  LEFT JOIN ledger ON ledger.account_id = accounts.id AND ledger.key = ${given("entryKey")}
  WHERE accounts.id = ${given("accountId")}`;

/**
 * Adds credit. With the key of an earlier top-up it adds nothing, and answers that one.
 *
 * Errors: notFound (no such account), conflict (the key was used for another amount), invalidValue
 * (the balance would be above {@link amountMax}).
 */
export async function topUp(
  db: D1Database,
  what: { accountId: string; amount: number; key: string; note?: string; now: number },
): Promise<Result<LedgerEntry>> {
  const parameter = { ...what, entryKey: `topUp:${what.key}` };
  const [found] = await inOneBatch<Row | NoRow>(db, [append(topUpEntry), readTopUp], parameter);
  if (!found) return fail("notFound", { detail: "There is no such account." });
  if (found.seq !== null) return sameAmount(found, what.amount);
  return fail("invalidValue", { detail: `A balance has at most ${formatAmount(amountMax)} units.` });
}

/** Of an entry that is not there. */
type NoRow = { seq: null };

const ofCall = `reservations.application_key = ${given("applicationKey")}
  AND reservations.call_id = ${given("callId")} AND reservations.account_id = ${given("accountId")}`;
const left = "charged - refunded";
const wanted = `ifnull(${given("amount")}, ${left})`;
const refundEntry = `
  SELECT account_id, 'refund' kind, ${wanted} amount, ${given("entryKey")} key,
    application_key, call_id, ${given("note")} note
  FROM reservations WHERE ${ofCall} AND ${wanted} BETWEEN 1 AND ${left}`;
/** All of the call's refunds, whichever of them is new: their keys begin alike, and “0” follows “/”. */
const refunded = `(SELECT ifnull(sum(amount), 0) FROM ledger
  WHERE ledger.account_id = reservations.account_id
    AND ledger.key >= ${given("keys")} || '/' AND ledger.key < ${given("keys")} || '0')`;
const noteRefund = `UPDATE reservations SET refunded = ${refunded} WHERE ${ofCall} AND refunded <> ${refunded}`;
const readRefund = `
  SELECT settled, ${left} AS "left", ${columns} FROM reservations
  LEFT JOIN ledger ON ledger.account_id = reservations.account_id AND ledger.key = ${given("entryKey")}
  WHERE ${ofCall}`;

/**
 * Gives back what a call was charged, or a part of it. With the key of an earlier refund of the call
 * it gives back nothing, and answers that one.
 *
 * Errors: notFound (the account has no such call), conflict (the call goes on; more than is left of
 * its charge; the key was used for another amount).
 */
export async function refund(
  db: D1Database,
  what: PaidCall & { accountId: string; amount?: number; key: string; note?: string; now: number },
): Promise<Result<LedgerEntry>> {
  const keys = `refund:${what.applicationKey}/${what.callId}`;
  const parameter = { ...what, keys, entryKey: `${keys}/${what.key}` };
  const statements = [append(refundEntry), noteRefund, readRefund];
  type Found = { settled: number | null; left: number };
  const [found] = await inOneBatch<Found & (Row | NoRow)>(db, statements, parameter);
  if (!found) return fail("notFound", { detail: "The account has no such call." });
  if (found.seq !== null) return sameAmount(found, what.amount ?? found.amount);
  if (found.settled === null) return fail("conflict", { detail: "The call has not been charged yet." });
  return fail("conflict", { detail: `Of the call's charge there is ${found.left} left to refund.` });
}

/** Entries of an account, newest first, from below the number `before`, none older than `since`. */
export async function listLedger(
  db: D1Database,
  accountId: string,
  page: { before?: number; since?: number; viewer?: string; limit: number },
): Promise<LedgerEntry[]> {
  const { before = Number.MAX_SAFE_INTEGER, since = 0, viewer, limit } = page;
  const { results } = await db
    .prepare(`SELECT ${columns} FROM ledger WHERE account_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?`)
    .bind(accountId, before, limit)
    .all<Row>();
  // Here, since the query would look through the rest of the ledger for what is not there.
  return results
    .filter(({ time }) => time >= since)
    .map(toEntry)
    .map((entry) => (viewer === undefined ? entry : seenBy(viewer, entry)));
}

/** An application of the account sees all that moved its balance, but not which calls others made. */
function seenBy(viewer: string, { applicationKey, callId, ...rest }: LedgerEntry): LedgerEntry {
  return applicationKey === viewer ? { ...rest, applicationKey, callId } : rest;
}

const csvPage = 1_000;
const csvHeader = ["seq", "time", "kind", "amount", "balance", "key", "applicationKey", "callId", "note"];

/** The same as lines of CSV, to the end: times in ISO 8601, amounts in units of the currency. */
export async function* ledgerLines(
  db: D1Database,
  accountId: string,
  from: { before?: number; since?: number; viewer?: string },
): AsyncGenerator<string> {
  yield toCsvLine(csvHeader);
  let { before } = from;
  for (let more = true; more; ) {
    const entries = await listLedger(db, accountId, { ...from, before, limit: csvPage });
    if (entries.length > 0) yield entries.map(toLine).join("");
    before = entries.at(-1)?.seq;
    more = entries.length === csvPage;
  }
}

function toLine(entry: LedgerEntry): string {
  const { seq, time, kind, amount, balance, key = "", applicationKey = "", callId = "", note = "" } = entry;
  const what = [seq, new Date(time).toISOString(), kind, formatAmount(amount), formatAmount(balance)];
  return toCsvLine([...what, plain(key), applicationKey, callId, plain(note)]);
}

/** A spreadsheet would take it for a formula. */
function plain(text: string): string {
  return /^[=+\-@\t]/.test(text) ? `'${text}` : text;
}

function sameAmount(row: Row, amount: number): Result<LedgerEntry> {
  if (row.amount === amount) return ok(toEntry(row));
  return fail("conflict", { detail: `This key was used for ${row.amount}.` });
}

function toEntry({ key, applicationKey, callId, note, ...row }: Row): LedgerEntry {
  const { seq, time, kind, amount, balance } = row;
  const call = applicationKey !== null && callId !== null ? { applicationKey, callId } : undefined;
  const before = kind === "refund" ? `refund:${applicationKey}/${callId}/` : `${kind}:`;
  return {
    ...{ seq, time, kind, amount, balance },
    ...((kind === "topUp" || kind === "refund") && { key: key.slice(before.length) }),
    ...call,
    ...(note !== null && { note }),
  };
}
