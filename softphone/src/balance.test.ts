import { CarillonError } from "@carillon/sdk";
import { expect, it, vi } from "vitest";
import { errorBody } from "../../protocol";
import { Balance } from "./balance";

const credits = { currency: "USD", balance: 1_000_000 };

it("is asked for once when it is wanted, and again when it may have changed", async () => {
  const ask = vi.fn(async () => credits);
  const changed = vi.fn();
  const balance = new Balance(ask, changed);
  balance.want();
  balance.want();
  await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(1));
  expect(balance.credits).toEqual(credits);
  await balance.refresh();
  expect(ask).toHaveBeenCalledTimes(2);
});

it("is asked for when a call has cost something, and a second later, when that is charged", async () => {
  vi.useFakeTimers();
  const ask = vi.fn(async () => credits);
  new Balance(ask, () => {}).changes();
  expect(ask).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ask).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});

it("is not asked for again once the account keeps it to itself", async () => {
  const ask = vi.fn(async () => Promise.reject(new CarillonError(errorBody("forbidden"))));
  const balance = new Balance(ask, () => {});
  await balance.refresh();
  await balance.refresh();
  expect([balance.credits, ask.mock.calls.length]).toEqual([undefined, 1]);
});

it("stays as it was when the server cannot be reached", async () => {
  const ask = vi.fn(async () => credits);
  const balance = new Balance(ask, () => {});
  await balance.refresh();
  ask.mockRejectedValueOnce(new CarillonError(errorBody("networkLost")));
  await balance.refresh();
  expect(balance.credits).toEqual(credits);
});
