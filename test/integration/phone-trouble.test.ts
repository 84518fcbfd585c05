/** Phone calls when something goes wrong at the worst moment, or somebody means ill: no call is free, no credit is forgotten. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { findCall } from "../../core/calls/archive";
import type { CallData } from "../../core/calls/call-data";
import { listTrunks, replaceTrunk } from "../../core/telephony/trunk-store";
import { settleAbandoned } from "../../workers/abandoned";
import { storeOf } from "../../workers/context";
import { bindings, hangup, later, offer, Peer, register, someone } from "./peer";
import {
  answered,
  dial,
  inCall,
  kindsOf,
  number,
  openWorld,
  rate,
  sessionOf,
  tell,
  type World,
} from "./phone-world";

afterEach(() => vi.restoreAllMocks());

const start = (to: string, line?: "phone" | "sip") =>
  ({ op: "start", to, ...(line && { line }), video: false, headers: {}, offer }) as const;
const stored = (world: World, callId: string) =>
  runInDurableObject(sessionOf(world, callId), (_, { storage }) => storage.kv.get<CallData>("call"));

it("a call to a user does not take the place of a phone call that is being dialled", async () => {
  const world = await openWorld();
  const name = someone("bob");
  const instanceId = await register(name, world.application.key);
  const bob = await Peer.connect(name, { instanceId, applicationKey: world.application.key });
  const { callId, answered: reply } = dial(world);
  await reply;
  for (const other of [start(name), start("+46701740606", "phone"), start("bob@example.com", "sip")])
    await world.alice.call(callId, other, { n: 1 });
  await bob.settled();
  expect(bob.events(callId)).toEqual([]);
  expect(world.dials.map(({ callee }) => callee.userId)).toEqual([number]);
  expect(await tell(world, callId, answered)).toMatchObject({ ok: true });
  await world.alice.call(callId, hangup);
  await expect.poll(() => kindsOf(world)).toContain("charge -70000");
});

it("a number with the prefix that is for calls within its country is refused: no way around a rule or a rate", async () => {
  const world = await openWorld();
  expect(await dial(world, "+460701999123").answered).toMatchObject({
    type: "error",
    error: { name: "invalidValue", detail: expect.stringContaining("+46701999123") },
  });
});

it("a number of the phone network is no SIP address at the trunk's own domain", async () => {
  const world = await openWorld(0);
  const [trunk] = await listTrunks(bindings.DB, world.application.key);
  if (!trunk) throw new Error("no trunk");
  const { id, created: _, ...shown } = trunk;
  const open = { ...shown, domains: ["*", "gateway.test"] };
  expect(await replaceTrunk(storeOf(bindings), world.application.key, id, open)).toMatchObject({ ok: true });
  for (const to of ["+46701740605@gateway.test", "0701740605@Gateway.Test:5060", "+46701740605@example.com"])
    await dial(world, to, { line: "sip" }).answered;
  expect(world.dials).toEqual([]);
  await dial(world, "200@gateway.test", { line: "sip" }).answered;
  expect(world.dials).toHaveLength(1);
});

it("who moves a trunk to another gateway has to know its password", async () => {
  const world = await openWorld(0);
  const [trunk] = await listTrunks(bindings.DB, world.application.key);
  if (!trunk) throw new Error("no trunk");
  const { id, created: _, ...shown } = trunk;
  const change = (more: object) =>
    replaceTrunk(storeOf(bindings), world.application.key, id, { ...shown, ...more });
  expect(await change({ url: "wss://evil.test" })).toMatchObject({ error: { name: "invalidRequest" } });
  expect(await change({ user: "eve" })).toMatchObject({ error: { name: "invalidRequest" } });
  expect(await change({ name: "renamed" })).toMatchObject({ ok: true });
  expect(await change({ url: "wss://new.test", password: "new" })).toMatchObject({ ok: true });
});

it("a session is woken again when it dies over its last record", async () => {
  const world = await openWorld();
  const callId = await inCall(world);
  let fail = (_: Error) => {};
  const batch = vi.spyOn(bindings.DB, "batch").mockRejectedValue(new Error("D1 is away"));
  await world.alice.call(callId, hangup);
  await expect.poll(() => batch.mock.calls.length).toBe(1);
  // D1 takes its time, and the alarm is not over before.
  batch.mockReturnValue(
    new Promise((_, reject) => {
      fail = reject;
    }),
  );
  const ringing = later(sessionOf(world, callId), 61_000);
  let over = false;
  void ringing.then(() => {
    over = true;
  });
  await expect.poll(() => batch.mock.calls.length).toBe(2);
  await world.alice.settled();
  expect(over).toBe(false);
  fail(new Error("D1 is away"));
  await ringing;
  batch.mockRestore();
  await later(sessionOf(world, callId), 61_000);
  await expect.poll(() => kindsOf(world)).toContain("charge -70000");
});

it("a call that was stored without its alarm is found by the cron, and settles", async () => {
  const world = await openWorld();
  const { callId, answered: reply } = dial(world);
  await reply;
  const session = sessionOf(world, callId);
  await runInDurableObject(session, (_, { storage }) => storage.deleteAlarm());
  await evictDurableObject(session);
  await settleAbandoned(bindings, "test", Date.now() + 20 * 60_000);
  expect(await runInDurableObject(session, (_, { storage }) => storage.getAlarm())).not.toBeNull();
  expect(await kindsOf(world)).not.toContain("release 70000");
  await later(session, 46_000);
  await expect.poll(() => kindsOf(world)).toContain("release 70000");
});

it("a preparation that fails does not end a call that was answered meanwhile", async () => {
  const world = await openWorld();
  const { callId, answered: reply } = dial(world);
  await reply;
  let fail = (_: Error) => {};
  const batch = vi.spyOn(bindings.DB, "batch").mockReturnValueOnce(
    new Promise((_, reject) => {
      fail = reject;
    }),
  );
  const again = world.alice.call(callId, start(number, "phone"), { n: 1 });
  await expect.poll(() => batch.mock.calls.length).toBe(1);
  await tell(world, callId, answered);
  fail(new Error("D1 is away"));
  await again;
  expect(await sessionOf(world, callId).isOn()).toBe(true);
});

it("a call keeps the rate that it was reserved at", async () => {
  const world = await openWorld();
  const { callId, answered: reply } = dial(world);
  await reply;
  await bindings.DB.prepare("INSERT OR REPLACE INTO rates VALUES ('46701', 'dear', 600000, 0, 60)").run();
  await evictDurableObject(sessionOf(world, callId));
  await world.alice.call(callId, start(number, "phone"), { n: 1 });
  await bindings.DB.prepare("DELETE FROM rates WHERE prefix = '46701'").run();
  expect((await stored(world, callId))?.bill?.rate).toEqual(rate);
  await tell(world, callId, answered);
  await world.alice.call(callId, hangup);
  await expect.poll(() => kindsOf(world)).toContain("charge -70000");
});

it("a phone call is not made with the id of a call that is on record, whose record stays", async () => {
  const world = await openWorld();
  const callId = crypto.randomUUID();
  await world.alice.call(callId, start("nobody-such"), { n: 1 });
  await later(sessionOf(world, callId), 61_000);
  await expect.poll(() => stored(world, callId)).toBeUndefined();
  const former = await findCall(bindings.DB, world.application.key, callId);
  expect(former).toMatchObject({ calleeUserId: "nobody-such", line: null });
  expect(await world.alice.call(callId, start(number, "phone"), { n: 1 })).toMatchObject({
    result: { ended: { cause: "failure", error: { name: "conflict" } } },
  });
  await later(sessionOf(world, callId), 61_000);
  await expect.poll(() => stored(world, callId)).toBeUndefined();
  expect(await findCall(bindings.DB, world.application.key, callId)).toEqual(former);
  expect(world.dials).toEqual([]);
  expect(await kindsOf(world)).toEqual(["topUp 1000000"]);
});

it("a start that is repeated after its refusal was stored hears that the call is over", async () => {
  const world = await openWorld(10);
  const { callId, answered: reply } = dial(world);
  await reply;
  await evictDurableObject(sessionOf(world, callId));
  await world.alice.call(callId, start(number, "phone"), { n: 1 });
  expect(await world.alice.event("ended", callId)).toMatchObject({ cause: "insufficientFunds" });
});

it("a reservation whose answer was lost is given back when the call ends over that", async () => {
  const world = await openWorld();
  const real = bindings.DB.batch.bind(bindings.DB);
  vi.spyOn(bindings.DB, "batch").mockImplementationOnce(async (statements) => {
    await real(statements);
    throw new Error("the answer was lost");
  });
  const { callId, answered: reply } = dial(world);
  await reply;
  await expect.poll(() => kindsOf(world)).toEqual(["topUp 1000000", "reserve -70000", "release 70000"]);
  expect(world.dials).toEqual([]);
  await expect.poll(() => findCall(bindings.DB, world.application.key, callId)).toMatchObject({ cost: null });
});

it("what a call has cost is told to whom hangs up a moment after the phone did, however often it asks", async () => {
  const world = await openWorld();
  const callId = await inCall(world);
  await tell(world, callId, { news: "ended", cause: "hungUp" });
  await world.alice.event("ended", callId);
  for (const n of [3, 3]) {
    expect(await world.alice.call(callId, hangup, { n })).toMatchObject({
      result: { ended: { cause: "hungUp", cost: { amount: 70_000 } } },
    });
  }
});

it("a user has ten calls to phones at a time, on all devices together", async () => {
  const world = await openWorld(10_000_000);
  const { alice } = world;
  const instanceId = await register(alice.user.userId, world.application.key);
  const second = await Peer.connect(alice.user.userId, { instanceId, applicationKey: world.application.key });
  const calls = Array.from({ length: 9 }, () => dial(world));
  await Promise.all(calls.map(({ answered: reply }) => reply));
  const tenth = dial({ ...world, alice: second });
  expect(await tenth.answered).toMatchObject({ type: "answer" });
  expect(await dial({ ...world, alice: second }).answered).toMatchObject({ error: { name: "rateLimited" } });
  await second.call(tenth.callId, hangup);
  expect(await dial(world).answered).toMatchObject({ type: "answer" });
});
