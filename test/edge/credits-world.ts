/** What the tests of credits share: accounts, a rate, and an auditor. */
import { expect } from "vitest";
import type { Rate } from "../../core/credits/rate";
import type { PaidCall } from "../../core/credits/reservations";
import type { LedgerKind } from "../../core/db/schema";
import { bindings } from "./support";

export const { DB } = bindings;

/** 100 for each begun minute, 10 for the connection. */
export const rate: Rate = { prefix: "46", name: "Sweden", perMinute: 100, connectFee: 10, increment: 60 };

export const newCall = (): PaidCall => ({
  applicationKey: crypto.randomUUID(),
  callId: crypto.randomUUID(),
});

/** An account with nothing, as `app create` makes it. */
export async function newAccount(): Promise<string> {
  const id = crypto.randomUUID();
  await DB.prepare("INSERT INTO accounts (id, name, created) VALUES (?, 'Test', 0)").bind(id).run();
  return id;
}

interface Entry {
  seq: number;
  time: number;
  kind: LedgerKind;
  amount: number;
  balance: number;
  key: string;
  callId: string | null;
}

export interface Reservation {
  applicationKey: string;
  callId: string;
  held: number;
  settled: number | null;
  charged: number;
  refunded: number;
}

const sum = (amounts: number[]) => amounts.reduce((total, amount) => total + amount, 0);

/** Reads all there is of an account, and expects every rule of the house to hold. */
export async function audit(accountId: string) {
  const [ledger, held] = await DB.batch([
    DB.prepare(
      `SELECT seq, time, kind, amount, balance, key, call_id AS callId
       FROM ledger WHERE account_id = ? ORDER BY seq`,
    ).bind(accountId),
    DB.prepare(
      `SELECT application_key AS applicationKey, call_id AS callId, held, settled, charged, refunded
       FROM reservations WHERE account_id = ?`,
    ).bind(accountId),
  ]);
  const [entries, calls] = [ledger?.results as Entry[], held?.results as Reservation[]];
  let [balance, time] = [0, 0];
  for (const [at, entry] of entries.entries()) {
    balance += entry.amount;
    expect(entry).toMatchObject({ seq: at + 1, balance });
    expect(Number.isSafeInteger(entry.amount) && entry.amount !== 0).toBe(true);
    expect(entry.balance).toBeGreaterThanOrEqual(0);
    expect(entry.time).toBeGreaterThanOrEqual(time);
    time = entry.time;
  }
  expect(new Set(entries.map(({ key }) => key)).size).toBe(entries.length);
  for (const call of calls) auditCall(call, entries);
  const known = new Set([null, ...calls.map(({ callId }) => callId)]);
  expect(entries.filter(({ callId }) => !known.has(callId))).toEqual([]);
  const open = calls.filter(({ settled }) => settled === null);
  return { entries, calls, open, balance };
}

function auditCall({ callId, ...call }: Reservation, entries: Entry[]): void {
  const own = entries.filter((entry) => entry.callId === callId);
  const amounts = (...kinds: LedgerKind[]) =>
    own.filter(({ kind }) => kinds.includes(kind)).map(({ amount }) => amount);
  expect(sum(amounts("reserve"))).toBe(-call.held + 0);
  expect(amounts("release")).toEqual(call.settled === null || call.held === 0 ? [] : [call.held]);
  expect(amounts("charge")).toEqual(call.charged === 0 ? [] : [-call.charged]);
  expect(sum(amounts("refund"))).toBe(call.refunded);
  expect(call.refunded).toBeLessThanOrEqual(call.charged);
  if (call.settled === null) expect(call.charged).toBe(0);
  else expect(sum(own.map(({ amount }) => amount))).toBe(call.refunded - call.charged);
}

/** A database that crashes at its batch with this number: before it is carried out, or before the answer. */
export function crashing(at: number, when: "before" | "after"): D1Database {
  let count = 0;
  const batch = async (statements: D1PreparedStatement[]) => {
    const crash = count++ === at;
    if (crash && when === "before") throw new Error("crash");
    const outcomes = await DB.batch(statements);
    if (crash) throw new Error("crash");
    return outcomes;
  };
  return { prepare: (sql: string) => DB.prepare(sql), batch } as D1Database;
}

/** How many statements and written rows some work is. */
export async function costOfWork(work: (db: D1Database) => Promise<unknown>) {
  let [batches, statements, rowsWritten, rowsRead] = [0, 0, 0, 0];
  const batch = async (all: D1PreparedStatement[]) => {
    const outcomes = await DB.batch(all);
    batches += 1;
    statements += outcomes.length;
    rowsWritten += sum(outcomes.map(({ meta }) => meta.rows_written));
    rowsRead += sum(outcomes.map(({ meta }) => meta.rows_read));
    return outcomes;
  };
  await work({ prepare: (sql: string) => DB.prepare(sql), batch } as D1Database);
  return { batches, statements, rowsWritten, rowsRead };
}
