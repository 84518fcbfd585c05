import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costOf, incrementPrice, paidFor, priceOf, type Rate } from "../credits/rate";
import { fundingDeadlines, sliceWanted } from "./billing";

const rates: fc.Arbitrary<Rate> = fc.record({
  prefix: fc.constant("46"),
  name: fc.constant("Sweden"),
  perMinute: fc.integer({ min: 0, max: 5_000_000 }),
  connectFee: fc.integer({ min: 0, max: 1_000_000 }),
  increment: fc.integer({ min: 1, max: 600 }),
});

const bill = (rate: Rate, held: number) => ({ accountId: "a", currency: "USD", rate, held, slices: 1 });

describe("what a call costs", () => {
  it("is the connection and every increment that was begun", () => {
    const rate = { prefix: "46", name: "Sweden", perMinute: 60_000, connectFee: 5_000, increment: 6 };
    expect(incrementPrice(rate)).toBe(6_000);
    expect([0, 1, 5_999, 6_000, 6_001, 60_000].map((ms) => costOf(rate, ms))).toEqual([
      11_000, 11_000, 11_000, 11_000, 17_000, 65_000,
    ]);
  });

  it("rounds a fraction of a micro-unit up, for an increment and not for the call", () => {
    const rate = { prefix: "46", name: "Sweden", perMinute: 100, connectFee: 0, increment: 1 };
    expect(costOf(rate, 60_000)).toBe(120);
  });

  it("is paid for as long as it is not more than what is held", () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 0, max: 100_000_000 }), (rate, held) => {
        const paid = paidFor(rate, held);
        if (paid === Number.POSITIVE_INFINITY) {
          expect(costOf(rate, 14_400_000)).toBeLessThanOrEqual(held);
          return;
        }
        if (paid > 0) expect(costOf(rate, paid)).toBeLessThanOrEqual(held);
        if (incrementPrice(rate) > 0) expect(costOf(rate, paid + 1)).toBeGreaterThan(held);
      }),
    );
  });

  it("is covered by what each reservation asks for, for at least so long as it is meant to", () => {
    fc.assert(
      fc.property(rates, (rate) => {
        let held = 0;
        let before = 0;
        for (let slice = 1; slice <= 6; slice += 1) {
          held += sliceWanted({ rate }, slice);
          const paid = paidFor(rate, held);
          expect(paid - before).toBeGreaterThanOrEqual(60_000);
          expect(held).toBeGreaterThanOrEqual(priceOf(rate, 60));
          before = Number.isFinite(paid) ? paid : 0;
          if (!Number.isFinite(paid)) return;
        }
      }),
    );
  });

  it("is asked for before it runs out, and never runs out where there is nothing to pay", () => {
    const rate = { prefix: "46", name: "Sweden", perMinute: 60_000, connectFee: 0, increment: 60 };
    expect(fundingDeadlines(bill(rate, 60_000), 1_000)).toEqual({ fund: 46_000, broke: 61_000 });
    const short = { ...rate, increment: 10 };
    expect(fundingDeadlines(bill(short, 10_000), 0)).toEqual({ fund: 5_000, broke: 10_000 });
    expect(fundingDeadlines(bill({ ...rate, perMinute: 0 }, 0), 0)).toEqual({});
  });
});
