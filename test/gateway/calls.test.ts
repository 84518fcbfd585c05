/** Calls to a telephone behind a real gateway: audio, keys, holding, and who hangs up. */
import { expect, test } from "vitest";
import { machineTone } from "../support/gateway/machine";
import { phoneTone } from "../support/gateway/sip-phone";
import { hears, hearsCaller, hearsNothing } from "./support/tones";
import { caller, dial, established, numbers, outcome, soon, theGateway, useGateway } from "./support/world";

useGateway();

/** A call that the machine has answered. */
async function withMachine() {
  const call = await dial(await caller(), numbers.machine);
  await hears(call, machineTone);
  theGateway().machine.answer();
  await call.until("established");
  return call;
}

test("a phone rings and answers, and each end hears the other; the caller hangs up", async () => {
  const { call, leg } = await established();
  await Promise.all([hears(call, phoneTone), hearsCaller(leg.phone)]);
  expect(await call.events()).toEqual(["progressing", "ringing", "answered", "established"]);
  expect(await call.do(({ details }) => details.remoteUserId)).toBe(numbers.phone);
  await call.hangup();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
  await leg.closed();
  expect(leg.received("BYE")).toHaveLength(1);
});

test("the phone hangs up", async () => {
  const { call, leg } = await established();
  leg.hangUp();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
  await leg.closed();
});

test("keys that the caller presses arrive at the phone", async () => {
  const { call, leg } = await established();
  await call.do((call) => call.sendDTMF("159#D"));
  await expect.poll(() => leg.keys, soon).toBe("159#D");
  await hearsCaller(leg.phone);
});

test("keys that are pressed at the phone arrive at the caller", async () => {
  const call = await withMachine();
  const keys = await call.handle.evaluateHandle((call) => {
    const heard: string[] = [];
    call.on("dtmf", (keys) => heard.push(keys));
    return heard;
  });
  theGateway().machine.press("7");
  await expect.poll(() => keys.evaluate((heard) => heard.join("")), soon).toBe("7");
});

test("the caller holds and resumes", async () => {
  const call = await withMachine();
  const { machine } = theGateway();
  await hearsCaller(machine);
  await call.do((call) => call.hold());
  await hearsNothing(machine);
  await call.do((call) => call.resume());
  await Promise.all([hears(call, machineTone), hearsCaller(machine)]);
  expect(await call.state()).toBe("established");
});

test("the phone is told that it is held", async () => {
  const { call, leg } = await established();
  await call.do((call) => call.hold());
  await expect.poll(() => leg.received("INVITE").at(-1)?.body, soon).toContain("a=sendonly");
  await call.do((call) => call.resume());
  await expect.poll(() => leg.received("INVITE").at(-1)?.body, soon).toContain("a=sendrecv");
  await hears(call, phoneTone);
});

test("the phone holds and resumes", async () => {
  const { call, leg } = await established();
  const held = () => call.do(({ remoteMedia }) => remoteMedia.held);
  leg.hold();
  await expect.poll(held, soon).toBe(true);
  leg.resume();
  await expect.poll(held, soon).toBe(false);
  await hears(call, phoneTone);
  expect(await call.state()).toBe("established");
});

test("ICE restarts in the middle of a call, and both go on hearing each other", async () => {
  const { phone, call, leg } = await established();
  const before = (await phone.sample()).ufrag;
  await phone.page.evaluate(() => window.harness.peers.at(-1)?.restartIce());
  await expect.poll(async () => (await phone.sample()).ufrag, soon).not.toBe(before);
  await expect.poll(() => leg.received("INVITE").length, soon).toBe(2);
  await Promise.all([hears(call, phoneTone), hearsCaller(leg.phone)]);
  expect(await call.state()).toBe("established");
});

test("what the network plays before an answer is heard, and the call is not answered by it", async () => {
  const call = await dial(await caller(), numbers.machine);
  await hears(call, machineTone);
  expect(["progressing", "ringing"]).toContain(await call.state());
  theGateway().machine.answer();
  await call.until("established");
  await hears(call, machineTone);
  await call.hangup();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
});

test("a SIP address is called, and headers go both ways", async () => {
  const { call, leg } = await established("reception@office.example", { headers: { "x-order": "4711 åäö" } });
  expect(leg.received("INVITE")[0]?.headers).toMatchObject({
    "x-order": "4711 åäö",
    to: "<sip:reception@office.example>",
  });
  expect(await call.do(({ remoteHeaders }) => remoteHeaders)).toEqual({ "x-answered-by": "the phone" });
  await Promise.all([hears(call, phoneTone), hearsCaller(leg.phone)]);
  leg.hangUp();
  expect(await outcome(call)).toEqual({ endCause: "hungUp" });
  expect(await call.do(({ remoteHeaders }) => remoteHeaders)).toMatchObject({
    "x-goodbye": "from the phone",
  });
});
