import fc from "fast-check";
import { expect, test } from "vitest";
import { costOf, incrementPrice, paidFor, priceOf, type Rate } from "./rate";

const rate = { prefix: "46", name: "Sweden", perMinute: 100, connectFee: 10, increment: 6 };

test("each increment that was begun is charged, one at least", () => {
  expect([0, 1, 6_000, 6_001, 60_000, 60_001].map((duration) => costOf(rate, duration))).toEqual([
    ...[20, 20, 20, 30, 110, 120],
  ]);
});

test("a fraction of a micro-unit is a whole one", () => {
  expect(incrementPrice({ ...rate, perMinute: 1, increment: 1 })).toBe(1);
  expect(incrementPrice({ ...rate, perMinute: 61, increment: 1 })).toBe(2);
  expect(incrementPrice({ ...rate, perMinute: 0 })).toBe(0);
});

test("what is paid for costs no more than what was paid, and a moment longer costs more", () => {
  const rates: fc.Arbitrary<Rate> = fc.record({
    ...{ prefix: fc.constant("1"), name: fc.constant("Any"), increment: fc.integer({ min: 1, max: 3_600 }) },
    ...{ perMinute: fc.integer({ min: 1, max: 1_000_000_000_000 }), connectFee: fc.nat({ max: 1_000_000 }) },
  });
  fc.assert(
    fc.property(rates, fc.integer({ min: 1, max: 14_400 }), (any, seconds) => {
      const paid = priceOf(any, seconds);
      const duration = paidFor(any, paid);
      expect(duration).toBeGreaterThanOrEqual(seconds * 1_000);
      expect(costOf(any, duration)).toBe(paid);
      expect(costOf(any, duration + 1)).toBeGreaterThan(paid);
      expect(paidFor(any, paid - 1)).toBeLessThan(duration);
    }),
  );
});

test("what costs nothing but its connection goes on for ever, once that is paid", () => {
  const flat = { ...rate, perMinute: 0 };
  expect([9, 10, 11].map((amount) => paidFor(flat, amount))).toEqual([0, Infinity, Infinity]);
});
