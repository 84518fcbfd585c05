/** How calls begin and end between real browsers. */
import { describe, expect, inject, test } from "vitest";
import { bothHear, established, hangUp, hears, ringing, twoPhones } from "./support/calls";
import { newContext, Phone, someone, soon, useBrowser } from "./support/phone";

useBrowser();

const end = (endCause: string) => ({ endCause, error: undefined });

test("the callee declines", async () => {
  const { outgoing, incoming } = await ringing();
  await incoming.hangup();
  expect(await outgoing.ended()).toEqual(end("denied"));
  expect(await incoming.ended()).toEqual(end("denied"));
});

test("the caller cancels", async () => {
  const { outgoing, incoming } = await ringing();
  await outgoing.hangup();
  expect(await incoming.ended()).toEqual(end("canceled"));
  expect(await outgoing.ended()).toEqual(end("canceled"));
});

test("nobody answers", async () => {
  const { outgoing, incoming } = await ringing({ ringSeconds: 5 });
  expect(await outgoing.ended()).toEqual(end("noAnswer"));
  expect(await incoming.ended()).toEqual(end("noAnswer"));
});

test("headers and the display name reach the callee", async () => {
  const phones = await twoPhones({ client: { displayName: "Alice Å" } });
  const { incoming } = await ringing({ headers: { order: "4711", grüße: "✓" } }, phones);
  expect(await incoming.do(({ headers }) => headers)).toEqual({ order: "4711", grüße: "✓" });
  expect(await incoming.do(({ remoteDisplayName }) => remoteDisplayName)).toBe("Alice Å");
});

test("a user without a device is offline, and one that was never there unknown", async () => {
  const { alice, bob } = await twoPhones();
  await bob.page.context().close();
  await expect.poll(() => online(alice, bob), soon).toBe(false);
  expect(await (await alice.call(bob)).ended()).toEqual({ endCause: "failure", error: "userOffline" });
  expect(await (await alice.call(someone("nobody"))).ended()).toEqual({
    endCause: "failure",
    error: "userUnknown",
  });
});

function online(asking: Phone, whom: Phone) {
  return asking.page.evaluate(
    async (userId) => (await window.harness.client?.presence(userId))?.online,
    whom.user,
  );
}

describe("a callee with two devices", () => {
  async function twoDevices() {
    const user = someone("bob");
    const [alice, bob, second] = await Promise.all([
      Phone.open("alice"),
      Phone.open("bob", { user }),
      Phone.open("bob", { user }),
    ]);
    const pair = await ringing({}, { alice, bob });
    return { ...pair, second: await second.incoming() };
  }

  test("one answers, the other one stops", async () => {
    const { second, ...pair } = await twoDevices();
    await second.until("ringing");
    await pair.incoming.answer();
    expect(await second.ended()).toEqual(end("otherDeviceAnswered"));
    await pair.outgoing.until("established");
    await bothHear(pair);
    await hangUp(pair.outgoing, pair.incoming);
  });

  test("both answer at once, and one has it", async () => {
    const { second, ...pair } = await twoDevices();
    await Promise.all([pair.incoming.answer(), second.answer()]);
    await pair.outgoing.until("established");
    const sides = [pair.incoming, second];
    await expect
      .poll(async () => (await Promise.all(sides.map((side) => side.state()))).sort(), soon)
      .toEqual(["ended", "established"]);
    const [loser] = (await pair.incoming.state()) === "ended" ? sides : sides.reverse();
    expect(await loser?.ended()).toEqual(end("otherDeviceAnswered"));
    await hears(pair.alice);
  });

  test("one declines, the other one stops", async () => {
    const { second, outgoing, incoming } = await twoDevices();
    await second.hangup();
    expect(await outgoing.ended()).toEqual(end("denied"));
    expect(await incoming.ended()).toEqual(end("denied"));
  });
});

describe("three tabs of one browser", () => {
  async function threeTabs() {
    const context = await newContext();
    const user = someone("bob");
    const [alice, first] = await Promise.all([Phone.open("alice"), Phone.open("bob", { user, context })]);
    const [second, third] = await Promise.all([
      Phone.open("bob", { user, context }),
      Phone.open("bob", { user, context }),
    ]);
    return { alice, tabs: [first, second, third] as const };
  }

  test("are one instance; one is closed while it rings, another one answers", async () => {
    const { alice, tabs } = await threeTabs();
    const instances = tabs.map(({ received }) =>
      received.flatMap((frame) => (frame.type === "welcome" ? [frame.instanceId] : [])),
    );
    expect(new Set(instances.flat()).size).toBe(1);

    const outgoing = await alice.call(tabs[0]);
    const [first, second, third] = await Promise.all(tabs.map((tab) => tab.incoming()));
    await first?.phone.page.close({ runBeforeUnload: true });
    await expect.poll(() => tabs[0].page.isClosed(), soon).toBe(true);
    // The server knows of the closing by the time that it answers this.
    await tabs[1].untilOnline(true);
    expect(await outgoing.state()).toBe("ringing");
    expect(await second?.state()).toBe("ringing");
    expect(await third?.state()).toBe("ringing");
    await second?.answer();
    expect(await third?.ended()).toEqual(end("otherDeviceAnswered"));
    await outgoing.until("established");
    await bothHear({ alice, bob: tabs[1] });
  });
});

test("a page that is closed ends its call at once", async () => {
  const { outgoing, bob } = await established();
  await bob.page.close({ runBeforeUnload: true });
  expect(await outgoing.ended(5_000)).toEqual(end("hungUp"));
});

test("a page that is left ends its call at once", async () => {
  const { incoming, alice } = await established();
  await alice.page.goto("about:blank");
  expect(await incoming.ended(5_000)).toEqual(end("hungUp"));
});

describe("start() rejects with the code of", () => {
  const unknownKey = "00000000-0000-4000-8000-000000000000";
  const { url, applicationKey, applicationSecret } = inject("server");
  const right = { applicationKey, environmentHost: url, applicationSecret };

  test.for([
    ["an unknown application", { ...right, applicationKey: unknownKey }, 40100],
    ["a wrong secret", { ...right, applicationSecret: "AAAAAAAAAAAAAAAAAAAAAA==" }, 40102],
    ["a text that is no token", { ...right, applicationSecret: undefined, token: "secret" }, 40001],
    ["a user without credentials", { ...right, applicationSecret: undefined }, 60006],
  ] as const)("%s", async ([, options, code]) => {
    const phone = await Phone.open("alice", { start: false });
    expect(await phone.start({ ...options, userId: phone.user })).toBe(code);
  });

  test("nothing, with the right secret in a page on this machine", async () => {
    const phone = await Phone.open("alice", { start: false });
    expect(await phone.start({ ...right, userId: phone.user })).toBeNull();
    await phone.untilOnline(true);
  });
});
