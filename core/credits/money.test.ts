import fc from "fast-check";
import { expect, test } from "vitest";
import { amountMax, formatAmount, parseAmount } from "./money";

test("decimals are read exactly, up to 6 of them", () => {
  expect(["0", "25", "0.015", "1.100000", "0.000001", "007", "999999999.999999"].map(parseAmount)).toEqual([
    ...[0, 25_000_000, 15_000, 1_100_000, 1, 7_000_000, 999_999_999_999_999],
  ]);
});

test.each([
  ...["", " 1", "1 ", "-1", "+1", "1.", ".5", "1.0000001", "1e3", "1,5", "0x1", "NaN", "1.5.0", "٣"],
  ...["1000000000.000001", "99999999999"],
])("“%s” is no amount", (text) => {
  expect(parseAmount(text)).toBeUndefined();
});

test("what is written is read as the same", () => {
  expect([0, 1, 15_000, 12_340_000, 100_000_000, -2_500_000].map(formatAmount)).toEqual([
    ...["0", "0.000001", "0.015", "12.34", "100", "-2.5"],
  ]);
  fc.assert(
    fc.property(fc.nat({ max: amountMax }), (amount) => parseAmount(formatAmount(amount)) === amount),
  );
});
