import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { costOf } from "../../core/credits/rate";
import type { CallDetails } from "./call-types";
import { costSoFar, formatMoney, getCredits } from "./credits";
import { World } from "./testing/world";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const rate = { currency: "USD", perMinute: 20_000, connectFee: 5_000, increment: 60 };
const call = (details: Partial<CallDetails>) => ({ details: { duration: 0, ...details } as CallDetails });

test("the balance is asked for with the instance's token", async () => {
  const device = new World().device("alice");
  const client = await device.started();
  const balance = { currency: "USD", balance: 1_250_000 };
  device.http = () => ({ status: 200, body: balance });
  expect(await getCredits(client)).toEqual(balance);
  expect(device.requests.at(-1)).toMatchObject({ method: "GET", path: "/v1/credits" });
});

test("a client that never started has no balance", async () => {
  const client = new World().device("alice").client();
  await expect(getCredits(client)).rejects.toMatchObject({ errorName: "invalidUse" });
});

test("a call costs nothing until it is answered, one increment then, and in the end what the server says", () => {
  expect(costSoFar(call({}))).toBeUndefined();
  expect(costSoFar(call({ rate }))).toBeUndefined();
  expect(costSoFar(call({ rate, answeredTime: 1_000 }))).toEqual({ currency: "USD", amount: 25_000 });
  const cost = { currency: "USD", amount: 12 };
  expect(costSoFar(call({ rate, cost, answeredTime: 1_000, establishedTime: 1_000, duration: 99 }))).toEqual(
    cost,
  );
  expect(costSoFar(call({ rate, cost: { currency: "USD", amount: 0 } }))).toEqual({
    currency: "USD",
    amount: 0,
  });
});

test("while it runs it costs what the server will charge, from the answer on", () => {
  const price = fc.record({
    perMinute: fc.integer({ min: 0, max: 5_000_000 }),
    connectFee: fc.integer({ min: 0, max: 1_000_000 }),
    increment: fc.integer({ min: 1, max: 300 }),
  });
  fc.assert(
    fc.property(price, fc.nat(4_000), fc.nat(20_000), (given, duration, setup) => {
      const times = { answeredTime: 1_000, establishedTime: 1_000 + setup, duration };
      const { amount } = costSoFar(call({ rate: { currency: "EUR", ...given }, ...times })) ?? { amount: -1 };
      expect(amount).toBe(costOf({ prefix: "46", name: "", ...given }, duration * 1_000 + setup));
    }),
  );
});

test("money is written with the decimals that it has", () => {
  expect(formatMoney({ amount: 22_500, currency: "USD" }, "en")).toBe("$0.0225");
  expect(formatMoney({ amount: 12_000_000, currency: "USD" }, "en")).toBe("$12.00");
  expect(formatMoney({ amount: 250, currency: "USD" }, "en")).toBe("$0.0003");
  expect(formatMoney(undefined)).toBe("");
});
