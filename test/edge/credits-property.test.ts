/** The ledger against a model, and calls that crash at every step, alone and all at once. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { refund, topUp } from "../../core/credits/ledger";
import { costOf, incrementPrice, type Rate } from "../../core/credits/rate";
import { abandoned, extend, type PaidCall, reserve, settle } from "../../core/credits/reservations";
import type { Result } from "../../protocol";
import { audit, crashing, DB, newAccount, newCall, rate } from "./credits-world";

const now = 1_800_000_000_000;
const price = incrementPrice(rate);

type Step =
  | { do: "topUp"; key: number; amount: number }
  | { do: "reserve"; call: number; wanted: number; least: number }
  | { do: "extend"; call: number; slice: number; wanted: number }
  | { do: "settle"; call: number; cost: number }
  | { do: "refund"; call: number; key: number; amount?: number };

const call = fc.integer({ min: 0, max: 4 });
const key = fc.integer({ min: 0, max: 3 });
/** Amounts that meet each other's edges. */
const amount = fc.integer({ min: 1, max: 12 }).map((tens) => tens * 55);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("topUp" as const), key, amount }),
  fc.record({
    do: fc.constant("reserve" as const),
    call,
    wanted: fc.integer({ min: 1, max: 4 }).map((minutes) => costOf(rate, minutes * 60_000)),
    least: fc.constantFrom(0, 110, 210),
  }),
  fc.record({
    do: fc.constant("extend" as const),
    call,
    slice: fc.integer({ min: 2, max: 5 }),
    wanted: amount,
  }),
  fc.record({ do: fc.constant("settle" as const), call, cost: fc.oneof(fc.constant(0), amount) }),
  fc.record(
    { do: fc.constant("refund" as const), call, key, amount },
    { requiredKeys: ["do", "call", "key"] },
  ),
);

interface World {
  accountId: string;
  calls: PaidCall[];
}

async function newWorld(): Promise<World> {
  return { accountId: await newAccount(), calls: Array.from({ length: 5 }, newCall) };
}

/** An amount that came of it, or the name of the error. */
const said = <T>(result: Result<T>, read: (value: T) => number) =>
  result.ok ? read(result.value) : result.error.name;

async function carryOut({ accountId, calls }: World, what: Step, db = DB): Promise<number | string | null> {
  const paid = ("call" in what && calls[what.call]) || newCall();
  switch (what.do) {
    case "topUp": {
      const entry = { accountId, amount: what.amount, key: `${what.key}`, now };
      return said(await topUp(db, entry), ({ amount }) => amount);
    }
    case "reserve": {
      const { wanted, least } = what;
      return said(await reserve(db, { ...paid, accountId, rate, wanted, least, now }), ({ held }) => held);
    }
    case "extend": {
      const { slice, wanted } = what;
      return said(await extend(db, { ...paid, slice, wanted, now }), ({ held }) => held);
    }
    case "settle":
      return (await settle(db, { ...paid, cost: what.cost, now }))?.charged ?? null;
    case "refund": {
      const entry = { ...paid, accountId, amount: what.amount, key: `${what.key}`, now };
      return said(await refund(db, entry), ({ amount }) => amount);
    }
  }
}

/** What ought to come of it, in as few words as possible. */
class Model {
  balance = 0;
  readonly #topUps = new Map<number, number>();
  readonly #calls = new Map<
    number,
    { held: number; slice: number; charged?: number; refunds: Map<number, number> }
  >();

  carryOut(what: Step): number | string | null {
    const paid = "call" in what ? this.#calls.get(what.call) : undefined;
    switch (what.do) {
      case "topUp": {
        const before = this.#topUps.get(what.key);
        if (before !== undefined) return before === what.amount ? before : "conflict";
        this.#topUps.set(what.key, what.amount);
        this.balance += what.amount;
        return what.amount;
      }
      case "reserve": {
        if (paid) return paid.charged === undefined ? paid.held : "conflict";
        const pays = Math.floor((this.balance - rate.connectFee) / price) * price + rate.connectFee;
        const held = this.balance < rate.connectFee + price ? 0 : Math.min(what.wanted, pays);
        if (held < what.least) return "insufficientFunds";
        this.#calls.set(what.call, { held, slice: 1, refunds: new Map() });
        this.balance -= held;
        return held;
      }
      case "extend": {
        if (!paid) return "notFound";
        if (paid.charged !== undefined) return "conflict";
        if (what.slice <= paid.slice) return paid.held;
        const increments = Math.min(
          Math.max(1, Math.floor(what.wanted / price)),
          Math.floor(this.balance / price),
        );
        if (increments === 0) return "insufficientFunds";
        paid.slice = what.slice;
        paid.held += increments * price;
        this.balance -= increments * price;
        return paid.held;
      }
      case "settle": {
        if (!paid) return null;
        if (paid.charged !== undefined) return paid.charged;
        paid.charged = Math.min(what.cost, this.balance + paid.held);
        this.balance += paid.held - paid.charged;
        return paid.charged;
      }
      case "refund": {
        if (!paid) return "notFound";
        const before = paid.refunds.get(what.key);
        if (before !== undefined) return (what.amount ?? before) === before ? before : "conflict";
        const left = (paid.charged ?? 0) - [...paid.refunds.values()].reduce((sum, part) => sum + part, 0);
        const back = what.amount ?? left;
        if (back < 1 || back > left) return "conflict";
        paid.refunds.set(what.key, back);
        this.balance += back;
        return back;
      }
    }
  }
}

/** A call as its session plays it: an answer that was lost is asked for again, until there is one. */
interface Play {
  /** Slices after the first one. */
  slices: number;
  cost: number;
  /** At which batch something breaks, and what becomes of the call. */
  crash?: { at: number; when: "before" | "after"; next: "again" | "lost" };
}

const play: fc.Arbitrary<Play> = fc.record(
  {
    slices: fc.integer({ min: 0, max: 3 }),
    cost: fc.oneof(fc.constant(0), amount),
    crash: fc.record({
      at: fc.integer({ min: 0, max: 4 }),
      when: fc.constantFrom("before" as const, "after" as const),
      next: fc.constantFrom("again" as const, "lost" as const),
    }),
  },
  { requiredKeys: ["slices", "cost"] },
);

async function playCall(accountId: string, paid: PaidCall, { slices, cost }: Play, db = DB) {
  const reserved = await reserve(db, { ...paid, accountId, rate, wanted: 210, least: 110, now });
  if (!reserved.ok) return;
  let { held } = reserved.value;
  for (let slice = 2; slice < 2 + slices; slice++) {
    const more = await extend(db, { ...paid, slice, wanted: 150, now });
    if (more.ok) held = more.value.held;
  }
  // A call ends when its money does.
  await settle(db, { ...paid, cost: Math.min(cost, held), now });
}

async function playWithCrash(accountId: string, paid: PaidCall, what: Play): Promise<void> {
  const { crash } = what;
  if (!crash) return playCall(accountId, paid, what);
  await playCall(accountId, paid, what, crashing(crash.at, crash.when)).catch(() => {});
  // A session that starts again does everything again.
  if (crash.next === "again") await playCall(accountId, paid, what);
}

/** What the cron does when no session knows of a call. */
async function sweep(): Promise<void> {
  for (const lost of await abandoned(DB, now + 600_000, 1_000)) {
    await Promise.all([1, 2].map(() => settle(DB, { ...lost, cost: 0, now })));
  }
}

describe("step by step", () => {
  test("everything is as the model has it, and the books are right after each step", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 25 }), async (steps) => {
        const [world, model] = [await newWorld(), new Model()];
        for (const [what, lost] of steps) {
          // Its answer is lost, and it is asked again.
          if (lost) await carryOut(world, what, crashing(0, "after")).catch(() => {});
          expect(await carryOut(world, what)).toBe(model.carryOut(what));
          expect((await audit(world.accountId)).balance).toBe(model.balance);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("a crash before and after each write of a call: nothing is charged twice, and nothing forgotten", async () => {
    const what = { slices: 2, cost: 250 };
    for (const when of ["before", "after"] as const) {
      for (const next of ["again", "lost"] as const) {
        for (let at = 0; at < 4; at++) {
          const [accountId, paid] = [await newAccount(), newCall()];
          await topUp(DB, { accountId, amount: 1_000, key: "k", now });
          await playWithCrash(accountId, paid, { ...what, crash: { at, when, next } });
          await audit(accountId);
          await sweep();
          const { open, balance } = await audit(accountId);
          const charged = next === "again" || (at === 3 && when === "after");
          expect([open, balance, when, next, at]).toEqual([[], charged ? 750 : 1_000, when, next, at]);
        }
      }
    }
  });
});

describe("all at once", () => {
  test("any steps on one account", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { maxLength: 4 }),
        async (rounds) => {
          const world = await newWorld();
          await topUp(DB, { accountId: world.accountId, amount: 1_000, key: "first", now });
          for (const round of rounds) {
            await Promise.all([...round, ...round].map((what) => carryOut(world, what)));
            await audit(world.accountId);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("calls that crash anywhere, top-ups among them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(play, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 30 }),
        async (plays, hundreds) => {
          const accountId = await newAccount();
          const calls = plays.map((what) => ({ what, paid: newCall() }));
          const add = (key: string, amount: number) => topUp(DB, { accountId, amount, key, now });
          await add("first", hundreds * 100);
          await Promise.all([
            ...calls.map(({ paid, what }) => playWithCrash(accountId, paid, what)),
            ...[add("second", 500), add("second", 500)],
          ]);
          await audit(accountId);
          await sweep();
          const { open, balance, calls: settled } = await audit(accountId);
          expect(open).toEqual([]);
          const paid = settled.reduce((sum, { charged }) => sum + charged, 0);
          expect(balance).toBe(hundreds * 100 + 500 - paid);
          for (const { callId, charged } of settled) {
            const what = calls.find(({ paid }) => paid.callId === callId)?.what;
            expect(charged).toBeLessThanOrEqual(what?.cost ?? 0);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});

test("any rate: what is held is whole increments, and pays for the time that it is said to pay for", async () => {
  const rates: fc.Arbitrary<Rate> = fc.record({
    prefix: fc.constant("46"),
    name: fc.constant("Any"),
    perMinute: fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 1_000_000_000_000 })),
    connectFee: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1_000_000 })),
    increment: fc.integer({ min: 1, max: 3_600 }),
  });
  const balances = fc.integer({ min: 1, max: 1_000_000_000_000_000 });
  await fc.assert(
    fc.asyncProperty(rates, balances, fc.nat({ max: 14_400_000 }), async (any, amount, duration) => {
      const [accountId, paid] = [await newAccount(), newCall()];
      await topUp(DB, { accountId, amount, key: "k", now });
      const wanted = costOf(any, duration);
      const least = costOf(any, 0);
      const reserved = await reserve(DB, { ...paid, accountId, rate: any, wanted, least, now });
      expect(reserved.ok).toBe(amount >= least);
      if (!reserved.ok) return;
      const { held } = reserved.value;
      expect(held).toBeLessThanOrEqual(wanted);
      const one = incrementPrice(any);
      expect(one === 0 ? held - any.connectFee : (held - any.connectFee) % one).toBe(0);
      if (held < wanted) expect(held + one).toBeGreaterThan(amount);
      const more = await extend(DB, { ...paid, slice: 2, wanted: 3 * one, now });
      if (more.ok) {
        expect([0, 1, 2, 3].map((increments) => held + increments * one)).toContain(more.value.held);
      } else expect(amount - held).toBeLessThan(one);
      await settle(DB, { ...paid, cost: wanted, now });
      await audit(accountId);
    }),
    { numRuns: 60 },
  );
});
