/** The ledger and the reservations themselves, in D1. */
import { describe, expect, test } from "vitest";
import { readBalance, refund, topUp } from "../../core/credits/ledger";
import { priceOf } from "../../core/credits/rate";
import { abandoned, extend, postpone, reserve, settle } from "../../core/credits/reservations";
import type { Env } from "../../durable-objects/env";
import { settleAbandoned } from "../../workers/abandoned";
import { audit, costOfWork, DB, newAccount, newCall, rate } from "./credits-world";

const now = 1_800_000_000_000;
const minute = 60_000;

async function accountWith(amount: number): Promise<string> {
  const accountId = await newAccount();
  await topUp(DB, { accountId, amount, key: "first", now });
  return accountId;
}

/** What a call of so many minutes holds. */
const hold = (accountId: string, call = newCall(), minutes = 4, db = DB) =>
  reserve(db, { ...call, accountId, rate, wanted: priceOf(rate, 60 * minutes), least: 110, now });

const held = (amount: number) => ({ ok: true, value: { held: amount } });
const refused = (name: string) => ({ ok: false, error: { name } });

describe("a top-up", () => {
  test("adds, and with its key again it adds nothing", async () => {
    const accountId = await newAccount();
    expect(await readBalance(DB, accountId)).toEqual({ balance: 0, showBalance: false });
    const what = { accountId, amount: 500, key: "invoice 17", note: "thanks", now };
    const entry = { seq: 1, time: now, kind: "topUp", amount: 500, balance: 500, key: "invoice 17" };
    expect(await topUp(DB, what)).toEqual({ ok: true, value: { ...entry, note: "thanks" } });
    expect(await topUp(DB, { ...what, note: "again", now: now + 1 })).toMatchObject({ value: entry });
    expect(await topUp(DB, { ...what, amount: 501 })).toMatchObject(refused("conflict"));
    expect(await topUp(DB, { ...what, key: "invoice 18", now: now - 1 })).toMatchObject({
      // The clock of another machine was behind.
      value: { seq: 2, time: now, balance: 1_000 },
    });
    expect(await readBalance(DB, accountId)).toEqual({ balance: 1_000, showBalance: false });
    expect((await audit(accountId)).entries).toHaveLength(2);
  });

  test("of an account that is not there is refused, and so is a balance that no number holds exactly", async () => {
    const what = { accountId: "nobody", amount: 5, key: "k", now };
    expect(await topUp(DB, what)).toMatchObject(refused("notFound"));
    const accountId = await accountWith(1_000_000_000_000_000);
    expect(await topUp(DB, { ...what, accountId, amount: 1 })).toMatchObject(refused("invalidValue"));
    // What was refused has not used up its key.
    await hold(accountId);
    expect(await topUp(DB, { ...what, accountId, amount: 1 })).toMatchObject({ ok: true });
    await audit(accountId);
  });

  test("cannot take the key of what a call has to pay", async () => {
    const [accountId, call] = [await accountWith(1_000), newCall()];
    for (const kind of ["reserve", "release", "charge", "refund"]) {
      const of = `${call.applicationKey}/${call.callId}`;
      for (const key of [`${kind}:${of}`, `${kind}:${of}/1`])
        await topUp(DB, { accountId, amount: 1, key, now });
    }
    expect(await hold(accountId, call)).toMatchObject(held(410));
    expect(await settle(DB, { ...call, cost: 200, now })).toEqual({ charged: 200 });
    expect((await audit(accountId)).balance).toBe(1_000 + 8 - 200);
  });
});

describe("a reservation", () => {
  test("is what is wanted, or the whole increments that the balance pays for, or nothing", async () => {
    expect(await hold(await accountWith(10_000))).toMatchObject(held(410));
    expect(await hold(await accountWith(410))).toMatchObject(held(410));
    expect(await hold(await accountWith(409))).toMatchObject(held(310));
    expect(await hold(await accountWith(110))).toMatchObject(held(110));
    for (const account of [await accountWith(109), await newAccount(), "nobody"]) {
      expect(await hold(account)).toMatchObject(refused("insufficientFunds"));
      expect((await audit(account)).calls).toEqual([]);
    }
  });

  test("of what costs nothing is nothing, whatever the balance", async () => {
    const [accountId, call] = [await newAccount(), newCall()];
    const free = { ...rate, perMinute: 0, connectFee: 0 };
    const what = { ...call, accountId, rate: free, wanted: 0, least: 0, now };
    expect(await reserve(DB, what)).toMatchObject(held(0));
    expect(await extend(DB, { ...call, slice: 2, wanted: 0, now })).toMatchObject(held(0));
    expect(await settle(DB, { ...call, cost: 0, now })).toEqual({ charged: 0 });
    expect(await audit(accountId)).toMatchObject({ entries: [], open: [] });
    const onlyFee = { ...what, ...newCall(), rate: { ...free, connectFee: 10 }, wanted: 10, least: 10 };
    expect(await reserve(DB, onlyFee)).toMatchObject(refused("insufficientFunds"));
    expect(await reserve(DB, { ...onlyFee, accountId: await accountWith(10) })).toMatchObject(held(10));
  });

  test("is made once, also when everything is spent meanwhile", async () => {
    const [accountId, call] = [await accountWith(500), newCall()];
    expect(await hold(accountId, call)).toMatchObject(held(410));
    expect(await hold(accountId)).toMatchObject(refused("insufficientFunds"));
    expect(await hold(accountId, call)).toMatchObject(held(410));
    await settle(DB, { ...call, cost: 0, now });
    expect(await hold(accountId, call)).toMatchObject(refused("conflict"));
    expect((await audit(accountId)).balance).toBe(500);
  });

  test("of nothing that grew is not held a second time", async () => {
    const [accountId, call] = [await newAccount(), newCall()];
    const first = () => reserve(DB, { ...call, accountId, rate, wanted: 110, least: 0, now });
    expect(await first()).toMatchObject(held(0));
    await topUp(DB, { accountId, amount: 250, key: "k", now });
    expect(await extend(DB, { ...call, slice: 2, wanted: 100, now })).toMatchObject(held(100));
    expect(await first()).toMatchObject(held(100));
    expect((await audit(accountId)).balance).toBe(150);
  });

  test("is extended by whole increments, each slice once", async () => {
    const [accountId, call] = [await accountWith(1_000), newCall()];
    const more = (slice: number, wanted: number) => extend(DB, { ...call, slice, wanted, now });
    expect(await more(2, 100)).toMatchObject(refused("notFound"));
    await hold(accountId, call, 1);
    expect(await more(2, 250)).toMatchObject(held(310));
    expect(await more(2, 250)).toMatchObject(held(310));
    // One at least, and what there is.
    expect(await more(3, 1)).toMatchObject(held(410));
    expect(await more(4, 5_000)).toMatchObject(held(910));
    expect(await more(4, 5_000)).toMatchObject(held(910));
    expect(await hold(accountId, call)).toMatchObject(held(910));
    expect(await more(5, 100)).toMatchObject(refused("insufficientFunds"));
    await topUp(DB, { accountId, amount: 100, key: "second", now });
    expect(await more(5, 100)).toMatchObject(held(1_010));
    await audit(accountId);
    await settle(DB, { ...call, cost: 1_010, now });
    expect(await more(6, 100)).toMatchObject(refused("conflict"));
    expect(await more(2, 250)).toMatchObject(refused("conflict"));
    expect((await audit(accountId)).balance).toBe(90);
  });

  test("goes by the price of an increment, rounded as the call's", async () => {
    const [accountId, call] = [await accountWith(1_000), newCall()];
    const odd = { ...rate, perMinute: 7, connectFee: 0, increment: 11 };
    expect(priceOf(odd, 11)).toBe(2);
    await reserve(DB, { ...call, accountId, rate: odd, wanted: 2, least: 2, now });
    expect(await extend(DB, { ...call, slice: 2, wanted: 5, now })).toMatchObject(held(2 + 4));
    await audit(accountId);
  });

  test("is settled once: what was held comes back, and the cost goes", async () => {
    const [accountId, call] = [await accountWith(1_000), newCall()];
    const cost = (amount: number) => settle(DB, { ...call, cost: amount, now });
    expect(await cost(210)).toBeNull();
    await hold(accountId, call);
    expect(await cost(210)).toEqual({ charged: 210 });
    expect(await cost(310)).toEqual({ charged: 210 });
    expect(await cost(0)).toEqual({ charged: 210 });
    const { entries, balance } = await audit(accountId);
    expect(entries.map(({ kind, amount }) => `${kind} ${amount}`)).toEqual([
      ...["topUp 1000", "reserve -410", "release 410", "charge -210"],
    ]);
    expect(balance).toBe(790);
  });

  test("whose call cost more than it holds takes what the account has left", async () => {
    const [accountId, call] = [await accountWith(500), newCall()];
    await hold(accountId, call, 1);
    expect(await settle(DB, { ...call, cost: 700, now })).toEqual({ charged: 500 });
    expect((await audit(accountId)).balance).toBe(0);
  });
});

describe("a refund", () => {
  async function charged(cost: number) {
    const [accountId, call] = [await accountWith(1_000), newCall()];
    await hold(accountId, call, 9);
    await settle(DB, { ...call, cost, now });
    return { accountId, ...call, now };
  }

  test("gives back what was charged, in parts or the rest of it, each key once", async () => {
    const call = await charged(300);
    const { applicationKey, callId } = call;
    const part = { ...call, amount: 100, key: "part", note: "bad line" };
    expect(await refund(DB, part)).toEqual({
      ok: true,
      value: {
        ...{ seq: 5, time: now, kind: "refund", amount: 100, balance: 800, key: "part" },
        ...{ applicationKey, callId, note: "bad line" },
      },
    });
    expect(await refund(DB, part)).toMatchObject({ value: { seq: 5 } });
    expect(await refund(DB, { ...part, amount: 99 })).toMatchObject(refused("conflict"));
    expect(await refund(DB, { ...call, amount: 201, key: "more" })).toMatchObject(refused("conflict"));
    expect(await refund(DB, { ...call, key: "rest" })).toMatchObject({ value: { amount: 200 } });
    expect(await refund(DB, { ...call, key: "rest" })).toMatchObject({ value: { amount: 200 } });
    expect(await refund(DB, { ...call, key: "another" })).toMatchObject(refused("conflict"));
    const { balance, calls } = await audit(call.accountId);
    expect([balance, calls[0]?.refunded]).toEqual([1_000, 300]);
  });

  test("is of a call that was charged, by the account that paid", async () => {
    const [accountId, call] = [await accountWith(1_000), newCall()];
    const what = { ...call, accountId, key: "k", now };
    expect(await refund(DB, what)).toMatchObject(refused("notFound"));
    await hold(accountId, call);
    expect(await refund(DB, what)).toMatchObject(refused("conflict"));
    await settle(DB, { ...call, cost: 0, now });
    expect(await refund(DB, what)).toMatchObject(refused("conflict"));
    const paid = await charged(300);
    expect(await refund(DB, { ...paid, accountId, key: "k" })).toMatchObject(refused("notFound"));
    await audit(accountId);
    await audit(paid.accountId);
  });

  test("races with others for what is left", async () => {
    const call = await charged(300);
    const all = Array.from({ length: 10 }, (_, at) => refund(DB, { ...call, amount: 70, key: `${at}` }));
    expect((await Promise.all(all)).filter(({ ok }) => ok)).toHaveLength(4);
    expect((await audit(call.accountId)).balance).toBe(700 + 280);
  });
});

test("200 calls race for credit that is enough for 20", async () => {
  const accountId = await accountWith(20 * 110 + 109);
  const calls = Array.from({ length: 200 }, newCall);
  const outcomes = await Promise.all(calls.map((call) => hold(accountId, call, 1)));
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(20);
  const { open, balance } = await audit(accountId);
  expect([open.length, balance]).toEqual([20, 109]);
  // Each of them is told twice, and asks twice.
  await Promise.all([...open, ...open].map((call) => settle(DB, { ...call, cost: 110, now })));
  expect(await audit(accountId)).toMatchObject({ open: [], balance: 109 });
});

describe("a call that was lost", () => {
  /** Sessions that say so of each call. */
  const withSessions = (bills: (name: string) => boolean) => {
    const asked: string[] = [];
    const sessions = {
      idFromName: (name: string) => name,
      get: (name: string) => ({
        bills: async () => {
          asked.push(name);
          return bills(name);
        },
      }),
    };
    return { asked, env: { DB, CALL_SESSION: sessions } as unknown as Env };
  };
  const nameOf = ({ applicationKey, callId }: { applicationKey: string; callId: string }) =>
    `${applicationKey}/${callId}`;
  const due = now + 10 * minute;
  /** Those of other tests. */
  const clear = () => DB.prepare("UPDATE reservations SET settled = 1 WHERE settled IS NULL").run();

  test("is looked for after 10 minutes, and its credit comes back when nobody will settle it", async () => {
    await clear();
    const [accountId, lost, alive, failing] = [await accountWith(2_000), newCall(), newCall(), newCall()];
    for (const call of [lost, alive, failing]) await hold(accountId, call);
    const { asked, env } = withSessions((name) => {
      if (name === nameOf(failing)) throw new Error("no answer");
      return name === nameOf(alive);
    });
    await settleAbandoned(env, "r", due - 1);
    expect(asked).toEqual([]);
    await settleAbandoned(env, "r", due);
    expect(new Set(asked)).toEqual(new Set([lost, alive, failing].map(nameOf)));
    const { open, balance } = await audit(accountId);
    expect(new Set(open.map(nameOf))).toEqual(new Set([alive, failing].map(nameOf)));
    expect(balance).toBe(2_000 - 2 * 410);
    // The one that failed is asked again next time, the one that is there 15 minutes later.
    expect((await abandoned(DB, due + minute, 9)).map(nameOf)).toEqual([nameOf(failing)]);
    expect((await abandoned(DB, due + 15 * minute, 9)).map(nameOf)).toEqual([failing, alive].map(nameOf));
    expect(await settle(DB, { ...alive, cost: 110, now })).toEqual({ charged: 110 });
    await postpone(DB, alive, 0);
    expect((await abandoned(DB, due + minute, 9)).map(nameOf)).toEqual([nameOf(failing)]);
  });

  test("has its turn, however many others there are", async () => {
    await clear();
    const accountId = await accountWith(1_000_000);
    await Promise.all(Array.from({ length: 210 }, () => hold(accountId)));
    const { asked, env } = withSessions(() => {
      throw new Error("no answer");
    });
    await settleAbandoned(env, "r", due + 1);
    expect(new Set(asked).size).toBe(200);
    await settleAbandoned(env, "r", due + minute);
    expect(new Set(asked).size).toBe(210);
    const gone = withSessions(() => false);
    for (let runs = 0; runs < 2; runs++) await settleAbandoned(gone.env, "r", due + minute);
    expect(await audit(accountId)).toMatchObject({ open: [], balance: 1_000_000 });
  });
});

test("what a call costs in D1: rows written, and a query for each statement", async () => {
  const [accountId, call] = [await accountWith(10_000), newCall()];
  const extended = (db: D1Database) => extend(db, { ...call, slice: 2, wanted: 500, now });
  const settled =
    (cost: number, paid = call) =>
    (db: D1Database) =>
      settle(db, { ...paid, cost, now });
  const costs = async (work: (db: D1Database) => Promise<unknown>) => {
    const { batches, statements, rowsWritten, rowsRead } = await costOfWork(work);
    expect(batches).toBe(1);
    // However long the ledger is.
    expect(rowsRead).toBeLessThan(30);
    return [statements, rowsWritten];
  };
  expect(await costs((db) => hold(accountId, call, 1, db))).toEqual([3, 4]);
  expect(await costs((db) => hold(accountId, call, 1, db))).toEqual([3, 0]);
  expect(await costs(extended)).toEqual([3, 3]);
  expect(await costs(extended)).toEqual([3, 0]);
  expect(await costs(settled(210))).toEqual([4, 5]);
  expect(await costs(settled(210))).toEqual([4, 0]);
  const refunded = (db: D1Database) => refund(db, { ...call, accountId, key: "k", now });
  expect(await costs(refunded)).toEqual([3, 3]);
  expect(await costs(refunded)).toEqual([3, 0]);
  const added = (db: D1Database) => topUp(db, { accountId, amount: 5, key: "k", now });
  expect(await costs(added)).toEqual([2, 2]);
  expect(await costs(added)).toEqual([2, 0]);
  const unanswered = newCall();
  await hold(accountId, unanswered);
  expect(await costs(settled(0, unanswered))).toEqual([4, 3]);
  await hold(accountId);
  expect(await costs((db) => hold("nobody", newCall(), 1, db))).toEqual([3, 0]);
});
