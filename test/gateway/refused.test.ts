/** Calls that come to nothing, and what the caller hears of the reason. */
import { expect, inject, test } from "vitest";
import { asAdministrator } from "../support/gateway/application";
import { freePort } from "../support/programs";
import {
  caller,
  dial,
  newApplication,
  numbers,
  outcome,
  read,
  theApplication,
  theGateway,
  useGateway,
} from "./support/world";

useGateway();

test.each([
  ["busy", "denied", { status: 486, reason: "Busy Here" }],
  ["declined", "denied", { status: 603, reason: "Decline" }],
  ["notFound", "failure", { status: 404, reason: "Not Found" }],
  ["unavailable", "noAnswer", { status: 480, reason: "Temporarily Unavailable" }],
  ["broken", "failure", { status: 500, reason: "Server Internal Error" }],
] as const)("%s: %s, with what the network said", async (number, endCause, sip) => {
  const call = await dial(await caller(), numbers[number]);
  expect(await outcome(call)).toEqual({ endCause, error: "sipFailed", sip });
});

test("a person declines at the phone", async () => {
  const call = await dial(await caller(), numbers.phone);
  const leg = await theGateway().phone.incoming();
  leg.hangUp();
  expect(await outcome(call)).toMatchObject({ endCause: "denied", sip: { status: 486 } });
});

test("nobody answers: the phone stops ringing when the time is over", async () => {
  const call = await dial(await caller(), numbers.phone, { ringSeconds: 5 });
  const leg = await theGateway().phone.incoming();
  await call.until("ringing");
  expect(await outcome(call)).toEqual({ endCause: "noAnswer" });
  await leg.closed();
  expect(leg.received("CANCEL")).toHaveLength(1);
});

test("the caller gives up: the phone stops ringing", async () => {
  const call = await dial(await caller(), numbers.phone);
  const leg = await theGateway().phone.incoming();
  await call.until("ringing");
  await call.hangup();
  expect(await outcome(call)).toEqual({ endCause: "canceled" });
  await leg.closed();
  expect(leg.received("CANCEL")).toHaveLength(1);
});

test("a trunk with a wrong password", async () => {
  const application = await newApplication([{ password: "wrong" }]);
  const call = await dial(await caller({}, application), numbers.phone);
  expect(await outcome(call)).toMatchObject({ endCause: "failure", sip: { status: 407 } });
});

test("a gateway that is not there, and one that says nothing", async () => {
  const nobody = `ws://127.0.0.1:${await freePort()}`;
  const application = await newApplication([{ url: nobody }]);
  const gone = await dial(await caller({}, application), numbers.phone);
  expect(await outcome(gone)).toEqual({ endCause: "failure", error: "trunkUnreachable" });
  const silent = await dial(await caller(), numbers.silent);
  expect(await outcome(silent)).toEqual({ endCause: "failure", error: "trunkUnreachable" });
});

test("where the first trunk is gone or does not take the password, the next one is called", async () => {
  const nobody = `ws://127.0.0.1:${await freePort()}`;
  const application = await newApplication([{ url: nobody }, { password: "wrong" }, {}]);
  const call = await dial(await caller({}, application), numbers.phone);
  const leg = await theGateway().phone.incoming();
  await call.until("ringing");
  leg.answer();
  await call.until("established");
  await call.hangup();
  await leg.closed();
});

test("no credit: refused before it rings", async () => {
  const call = await dial(await caller({}, await newApplication([{}], 0)), numbers.phone);
  expect(await outcome(call)).toMatchObject({ endCause: "insufficientFunds" });
});

test("a trunk is checked", async () => {
  const path = `applications/${theApplication().applicationKey}/trunks`;
  const { trunks } = (await read("trunks")) as { trunks: { id: string }[] };
  const check = () => asAdministrator(inject("server"), "POST", `${path}/${trunks[0]?.id}/check`);
  expect(await check()).toMatchObject({
    reachable: true,
    status: 200,
    server: expect.stringContaining("kamailio"),
  });
  await theGateway().killKamailio();
  expect(await check()).toMatchObject({ reachable: false });
  await theGateway().startKamailio();
  expect(await check()).toMatchObject({ reachable: true });
});
