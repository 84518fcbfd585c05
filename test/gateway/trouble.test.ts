/** The gateway goes away in the middle of calls, and what a call has cost. */
import { expect, inject, test } from "vitest";
import { ledgerOf, rate, sumOf } from "../support/gateway/application";
import { phoneTone } from "../support/gateway/sip-phone";
import { hears, hearsCaller } from "./support/tones";
import {
  established,
  numbers,
  outcome,
  read,
  recordOf,
  soon,
  theApplication,
  theGateway,
  useGateway,
} from "./support/world";

useGateway();

test("the gateway restarts in a call: the call goes on, and the caller's hanging up reaches the phone", async () => {
  const { call, leg } = await established();
  await theGateway().restartKamailio();
  await Promise.all([hears(call, phoneTone), hearsCaller(leg.phone)]);
  expect(await call.state()).toBe("established");
  await call.hangup();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
  await leg.closed();
  expect(leg.received("BYE")).toHaveLength(1);
});

test("the gateway restarts in a call, and the phone's hanging up reaches the caller", async () => {
  const { call, leg } = await established();
  await theGateway().restartKamailio();
  // The dialog has told the phone where it is now.
  await expect.poll(() => leg.received("INVITE").length, soon).toBeGreaterThan(1);
  leg.hangUp();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
});

test("the caller hangs up while the gateway is gone: the phone hears of it when the gateway is back", async () => {
  const { call, leg } = await established();
  await theGateway().killKamailio();
  await call.hangup();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
  await theGateway().startKamailio();
  await leg.closed();
  expect(leg.received("BYE")).toHaveLength(1);
});

test("the gateway is gone in a call for too long: the call ends, also for the phone when it is back", async () => {
  const { call, leg } = await established();
  await theGateway().killKamailio();
  expect(await outcome(call, 50_000)).toEqual({ endCause: "failure", error: "trunkUnreachable" });
  await theGateway().startKamailio();
  await leg.closed();
  expect(leg.received("BYE")).toHaveLength(1);
});

test("what a call has cost is in its details, its record and the ledger, and fits its duration", async () => {
  const { call } = await established();
  const known = await call.do(({ details }) => details.rate);
  expect(known).toEqual({ currency: "USD", perMinute: 600_000, connectFee: 20_000, increment: 1 });
  await hears(call, phoneTone);
  // Into the next increment.
  await expect.poll(() => call.do(({ details }) => details.duration), soon).toBeGreaterThanOrEqual(2);
  await call.hangup();
  await expect.poll(() => call.do(({ details }) => details.cost?.amount), soon).toBeGreaterThan(0);
  const details = await call.do((call) => call.details);
  const seconds = Math.ceil(((details.endedTime ?? 0) - (details.answeredTime ?? 0)) / 1_000);
  const amount = rate.connectFee + seconds * rate.second;
  expect(details.cost).toEqual({ currency: "USD", amount });
  expect(seconds).toBeGreaterThanOrEqual(2);
  const record = await recordOf(call);
  expect(record).toMatchObject({
    line: "phone",
    calleeUserId: numbers.phone,
    cost: amount,
    endCause: "hungUp",
  });

  const entries = await ledgerOf(inject("server"), theApplication());
  expect(sumOf(entries, details.callId, "charge")).toBe(-amount);
  expect(sumOf(entries, details.callId, "reserve", "release")).toBe(0);
  expect(await read("credits")).toEqual({ currency: "USD", balance: entries[0]?.balance });
  expect(entries.reduce((total, entry) => total + entry.amount, 0)).toBe(entries[0]?.balance);
});
