/** How a hub wakes devices. The entrypoint that sends is told apart: what it gets is looked at, and what it would report is said by hand. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { changeAccount, createApplication } from "../../core/applications/applications";
import type { PushContent } from "../../core/push/content";
import { CallSession } from "../../durable-objects/call-session/call-session";
import { callSession, userHub } from "../../durable-objects/names";
import type { PushBatch, PushResult } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import type { PushDevice, PushPayload } from "../../protocol";
import { storeOf } from "../../workers/context";
import { PushSender } from "../../workers/push/push-sender";
import {
  answer,
  application,
  bindings,
  hangup,
  hubLater,
  later,
  messageId,
  messageOf,
  Peer,
  register,
  ringing,
  someone,
} from "./peer";

const iphone: PushDevice = {
  provider: "apns",
  bundleId: "com.example.app",
  environment: "production",
  voipToken: "aa11",
  alertToken: "bb22",
};
const android: PushDevice = { provider: "fcm", token: "fcm-token" };
const browser: PushDevice = {
  provider: "webpush",
  endpoint: "https://fcm.googleapis.com/fcm/send/x",
  keys: { p256dh: "p", auth: "a" },
};

let batches: PushBatch[] = [];
beforeEach(() => {
  batches = [];
  vi.spyOn(PushSender.prototype, "send").mockImplementation(async (batch) => {
    batches.push(structuredClone(batch));
  });
});
afterEach(() => vi.restoreAllMocks());

/** The pushes so far for a user, in order. */
const pushesFor = ({ userId }: UserAddress) => batches.filter(({ user }) => user.userId === userId);
const typesFor = (user: UserAddress) => pushesFor(user).map(({ content }) => content.type);

async function pushed<T extends PushContent["type"]>(user: UserAddress, type: T) {
  const find = () => pushesFor(user).find(({ content }) => content.type === type);
  await expect.poll(find).toBeDefined();
  return find() as PushBatch & { content: Extract<PushContent, { type: T }> };
}

/** A user with devices that are registered and away. */
async function sleeper(name: string, ...devices: PushDevice[]) {
  const user = { applicationKey: application, userId: someone(name) };
  const hub = userHub(bindings, user);
  const instances: string[] = [];
  for (const device of devices) {
    const instanceId = await register(user.userId);
    expect(await hub.setPushDevice(instanceId, device)).toMatchObject({ ok: true });
    instances.push(instanceId);
  }
  const [first = ""] = instances;
  return { user, hub, instances, first };
}

function report(batch: PushBatch, result: Omit<PushResult, "instanceId">) {
  const results = batch.devices.map(({ instanceId }) => ({ instanceId, ...result }));
  return userHub(bindings, batch.user).pushed({ push: batch.push, results, reference: "test" });
}

describe("a call to somebody who sleeps", () => {
  it("progresses, and tells the device everything", async () => {
    const { user, first } = await sleeper("bob", iphone);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId, {
      video: true,
      headers: { topic: "tea" },
      displayName: "Alice",
    });
    expect(await answered).toMatchObject({ type: "answer", result: { devices: 1 } });
    const batch = await pushed(user, "call");
    expect(batch).toMatchObject({ user, application, devices: [{ instanceId: first, device: iphone }] });
    expect(batch.content).toEqual({
      type: "call",
      callId,
      from: alice.user.userId,
      displayName: "Alice",
      video: true,
      headers: { topic: "tea" },
      until: expect.any(Number),
    });
    expect(batch.content.until - Date.now()).toBeGreaterThan(40_000);
  });

  it("rings on the device that comes, and can be answered there", async () => {
    const { user, first } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId, { headers: { topic: "tea" } });
    await answered;
    const bob = await Peer.connect(user.userId, { instanceId: first });
    expect(await bob.event("incoming", callId)).toMatchObject({ headers: { topic: "tea" } });
    await bob.call(callId, ringing);
    await alice.event("ringing", callId);
    await bob.call(callId, answer);
    await alice.event("answered", callId);
    await alice.call(callId, hangup);
    await bob.event("ended", callId);
    // It has heard all of it.
    expect(typesFor(user)).toEqual(["call"]);
  });

  it("rings also in the background, where the push was relayed", async () => {
    const { user, first } = await sleeper("bob", iphone);
    const bob = await Peer.connect(user.userId, { instanceId: first, background: true });
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    expect(await answered).toMatchObject({ result: { devices: 1 } });
    await pushed(user, "call");
    expect(bob.events(callId)).toEqual([]);
    bob.say({ type: "relay", calls: [{ callId, ack: 0 }] });
    await bob.event("incoming", callId);
    expect(await bob.frame("synced")).toMatchObject({ callId });
    await bob.call(callId, answer);
    await alice.event("answered", callId);
  });

  it("rings where the push was relayed before the connection was there", async () => {
    const { user, first } = await sleeper("bob", iphone);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    const bob = await Peer.connect(user.userId, {
      instanceId: first,
      background: true,
      listening: false,
      calls: [{ callId, ack: 0 }],
    });
    await bob.event("incoming", callId);
  });

  it("times out as one that nobody heard, and the device hears that", async () => {
    const { user } = await sleeper("bob", iphone);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await later(callSession(bindings, application, callId), 45_000);
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "timeout" });
    expect((await pushed(user, "cancel")).content).toMatchObject({ callId, cause: "timeout" });
  });

  it("is over for the device when the caller hangs up", async () => {
    const { user } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId, { displayName: "Alice", video: true });
    await answered;
    await alice.call(callId, hangup);
    expect((await pushed(user, "cancel")).content).toMatchObject({
      callId,
      cause: "canceled",
      from: alice.user.userId,
      displayName: "Alice",
      video: true,
    });
  });

  it("is answered elsewhere: the other devices hear that, the one that has it does not", async () => {
    const { user, instances, hub } = await sleeper("bob", iphone, android, browser);
    const laptop = await Peer.connect(user.userId);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    expect(await answered).toMatchObject({ result: { devices: 4 } });
    expect((await pushed(user, "call")).devices.map(({ instanceId }) => instanceId).sort()).toEqual(
      [...instances].sort(),
    );
    const phone = await Peer.connect(user.userId, { instanceId: instances[1] });
    await phone.event("incoming", callId);
    await phone.call(callId, answer);
    expect(await laptop.event("ended", callId)).toMatchObject({ cause: "otherDeviceAnswered" });
    const cancel = await pushed(user, "cancel");
    expect(cancel.content.cause).toBe("otherDeviceAnswered");
    expect(cancel.devices.map(({ device }) => device.provider).sort()).toEqual(["apns", "webpush"]);
    await report(cancel, { result: "sent" });
    expect(
      await runInDurableObject(hub, (_, state) => [...state.storage.kv.list({ prefix: "push:" })]),
    ).toEqual([]);
  });

  it("is over for a phone that hears it on its connection, and for a page that may be frozen by a push", async () => {
    const { user, instances } = await sleeper("bob", iphone, browser);
    const [phone, page] = [
      await Peer.connect(user.userId, { instanceId: instances[0], background: true }),
      await Peer.connect(user.userId, { instanceId: instances[1], background: true }),
    ];
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    for (const each of [phone, page]) {
      each.say({ type: "relay", calls: [{ callId, ack: 0 }] });
      await each.event("incoming", callId);
    }
    await alice.call(callId, hangup);
    await phone.event("ended", callId);
    expect((await pushed(user, "cancel")).devices.map(({ instanceId }) => instanceId)).toEqual([
      instances[1],
    ]);
  });

  it("wakes nobody who rings anyway", async () => {
    const { user, first } = await sleeper("bob", android);
    const bob = await Peer.connect(user.userId, { instanceId: first });
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    expect(await answered).toMatchObject({ result: { devices: 1 } });
    await bob.event("incoming", callId);
    await alice.call(callId, hangup);
    await bob.event("ended", callId);
    expect(pushesFor(user)).toEqual([]);
  });

  it("wakes one that is connected and does not listen, or only in the background", async () => {
    const { user, instances } = await sleeper("bob", android, browser);
    await Peer.connect(user.userId, { instanceId: instances[0], listening: false });
    await Peer.connect(user.userId, { instanceId: instances[1], background: true });
    const alice = await Peer.connect(someone("alice"));
    const { answered } = alice.start(user.userId);
    expect(await answered).toMatchObject({ result: { devices: 2 } });
    expect((await pushed(user, "call")).devices).toHaveLength(2);
  });

  it.each([
    ["while it is remembered", 0, "canceled"],
    ["when it is forgotten", 61_000, undefined],
  ])("tells a device that wakes too late, %s", async (_name, after, cause) => {
    const { user, first } = await sleeper("bob", iphone);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await alice.call(callId, hangup);
    await pushed(user, "cancel");
    if (after > 0) await later(callSession(bindings, application, callId), after);
    const bob = await Peer.connect(user.userId, { instanceId: first });
    bob.say({ type: "relay", calls: [{ callId, ack: 0 }] });
    const synced = await bob.frame("synced");
    expect(synced).toMatchObject({ callId, unknown: true });
    expect(synced.cause).toBe(cause);
  });

  it("asks no session for a call that has not rung for this user", async () => {
    const asked = vi.spyOn(CallSession.prototype, "sync");
    const bob = await Peer.connect(someone("bob"));
    const calls = Array.from({ length: 16 }, () => ({ callId: crypto.randomUUID(), ack: 0 }));
    bob.say({ type: "relay", calls });
    for (const { callId } of calls)
      expect(
        await bob.when((one) => (one.type === "synced" && one.callId === callId ? one : undefined)),
      ).toMatchObject({ unknown: true });
    expect(asked).not.toHaveBeenCalled();
  });

  it("relayed late, when this connection has the call, changes nothing", async () => {
    const { user, first } = await sleeper("bob", android);
    const bob = await Peer.connect(user.userId, { instanceId: first });
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await bob.event("incoming", callId);
    await bob.call(callId, answer);
    await hubLater(user, 50_000);
    bob.say({ type: "relay", calls: [{ callId, ack: 0 }] });
    await bob.settled();
    expect(bob.frames.filter(({ type }) => type === "synced")).toEqual([]);
  });

  it("says why to nobody but the callee", async () => {
    const { user } = await sleeper("bob", iphone);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await alice.call(callId, hangup);
    const mallory = await Peer.connect(someone("mallory"));
    mallory.say({ type: "relay", calls: [{ callId, ack: 0 }] });
    expect(await mallory.frame("synced")).toEqual({ type: "synced", callId, n: 0, unknown: true });
  });

  it("is declined by a device that does not connect", async () => {
    const { user } = await sleeper("bob", browser, iphone);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    const session = callSession(bindings, application, callId);
    expect(await session.decline(alice.user)).toMatchObject({ error: { name: "notFound" } });
    expect(await session.decline(user)).toMatchObject({ ok: true });
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "denied" });
    expect((await pushed(user, "cancel")).content.cause).toBe("denied");
    expect(await session.decline(user)).toMatchObject({ error: { name: "conflict" } });
  });

  it("tells the caller when the headers had to go", async () => {
    const { user } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const headers = { h: "\u0001".repeat(1_000) };
    expect(await alice.start(user.userId, { headers }).answered).toMatchObject({
      result: { devices: 1, headersOmitted: true },
    });
    const small = await alice.start(user.userId, { headers: { h: "tea" } }).answered;
    expect(small).toMatchObject({ result: { devices: 1 } });
    expect(small).not.toMatchObject({ result: { headersOmitted: true } });
  });

  it("goes out in batches that the smallest plan can send", async () => {
    const { user, hub } = await sleeper("bob");
    await runInDurableObject(hub, () => {});
    for (let at = 0; at < 90; at += 1) {
      const instanceId = await register(user.userId);
      await hub.setPushDevice(instanceId, { provider: "fcm", token: `token-${at}` });
    }
    const alice = await Peer.connect(someone("alice"));
    expect(await alice.start(user.userId).answered).toMatchObject({ result: { devices: 90 } });
    await expect.poll(() => pushesFor(user).length).toBe(3);
    const devices = pushesFor(user).map((batch) => batch.devices.length);
    expect(devices).toEqual([40, 40, 10]);
  });
});

describe("between two applications", () => {
  it("a push goes with the credentials of the caller's, and names the caller with it", async () => {
    const store = storeOf(bindings);
    const account = someone("account");
    const [caller, callee] = [
      await createApplication(store, { name: "caller", account }),
      await createApplication(store, { name: "callee", account }),
    ];
    await changeAccount(store, account, { allowCrossApplication: true });
    const user = { applicationKey: callee.applicationKey, userId: "bob" };
    const instanceId = await register("bob", callee.applicationKey);
    await userHub(bindings, user).setPushDevice(instanceId, iphone);
    const alice = await Peer.connect("alice", { applicationKey: caller.applicationKey });
    const { callId, answered } = alice.start(`bob@${callee.applicationKey}`);
    expect(await answered).toMatchObject({ result: { devices: 1 } });
    expect(await pushed(user, "call")).toMatchObject({
      user,
      application: caller.applicationKey,
      content: { origin: caller.applicationKey, from: `alice@${caller.applicationKey}` },
    });
    const bob = await Peer.connect("bob", {
      applicationKey: callee.applicationKey,
      instanceId,
      background: true,
    });
    bob.say({ type: "relay", calls: [{ callId, origin: caller.applicationKey, ack: 0 }] });
    await bob.event("incoming", callId);
    await alice.call(callId, hangup);
    await bob.event("ended", callId);
  });
});

describe("when the sender or the hub dies", () => {
  it("a push that nobody reports on is sent again, and one that was is not", async () => {
    const { user, hub, instances } = await sleeper("bob", iphone, android);
    const alice = await Peer.connect(someone("alice"));
    await alice.start(user.userId).answered;
    const batch = await pushed(user, "call");
    const [phone = ""] = instances;
    await hub.pushed({
      push: batch.push,
      results: [{ instanceId: phone, result: "sent" }],
      reference: "test",
    });
    await evictDurableObject(hub);
    expect(await hubLater(user, 8_000)).toBe(true);
    await expect
      .poll(() => pushesFor(user).map(({ devices }) => devices.map(({ instanceId }) => instanceId)))
      .toEqual([expect.arrayContaining(instances), [instances[1]]]);
    const [, again] = pushesFor(user);
    if (again) await report(again, { result: "sent" });
    await hubLater(user, 60_000);
    expect(pushesFor(user)).toHaveLength(2);
  });

  it("its end is told by a hub that remembers nothing", async () => {
    const { user, hub } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await report(await pushed(user, "call"), { result: "sent" });
    await evictDurableObject(hub);
    await alice.call(callId, hangup);
    expect((await pushed(user, "cancel")).content.callId).toBe(callId);
  });

  it("its end is told by a session that remembers nothing, and could not tell it before", async () => {
    const { user } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await pushed(user, "call");
    const session = callSession(bindings, application, callId);
    const failing = vi.spyOn(UserHub.prototype, "deliver").mockRejectedValue(new Error("restarted"));
    await alice.call(callId, hangup);
    await expect.poll(() => failing.mock.calls.length).toBeGreaterThanOrEqual(3);
    failing.mockRestore();
    await evictDurableObject(session);
    await later(session, 1_500);
    expect((await pushed(user, "cancel")).content.cause).toBe("canceled");
  });

  it("a device that has come meanwhile is not pushed again", async () => {
    const { user, first } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await pushed(user, "call");
    const bob = await Peer.connect(user.userId, { instanceId: first });
    await bob.event("incoming", callId);
    expect(await hubLater(user, 8_000)).toBe(true);
    expect(typesFor(user)).toEqual(["call"]);
  });

  it("nothing is sent again to a user who is blocked", async () => {
    const { user, hub } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [user.userId] });
    await pushed(user, "message");
    await hub.setBlocked(true, "test");
    await hubLater(user, 41_000);
    expect(typesFor(user)).toEqual(["message"]);
  });

  it("a sender that fails at once is tried again", async () => {
    const { user } = await sleeper("bob", android);
    vi.spyOn(PushSender.prototype, "send").mockRejectedValueOnce(new Error("no entrypoint"));
    const alice = await Peer.connect(someone("alice"));
    await alice.start(user.userId).answered;
    await hubLater(user, 8_000);
    await expect.poll(() => typesFor(user)).toEqual(["call"]);
  });
});

describe("a device that goes", () => {
  const gone = async ({ hub }: Awaited<ReturnType<typeof sleeper>>, peer: Peer) => {
    peer.close();
    await expect.poll(async () => (await hub.presence()).online).toBe(false);
  };

  it("while it rings is woken", async () => {
    const bob = await sleeper("bob", android);
    const phone = await Peer.connect(bob.user.userId, { instanceId: bob.first });
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(bob.user.userId, { headers: { topic: "tea" } });
    await answered;
    await phone.event("incoming", callId);
    expect(pushesFor(bob.user)).toEqual([]);
    await gone(bob, phone);
    expect((await pushed(bob.user, "call")).content).toMatchObject({ callId, headers: { topic: "tea" } });
    await alice.call(callId, hangup);
    expect((await pushed(bob.user, "cancel")).content.cause).toBe("canceled");
  });

  it("after the call is over, or with the call, is left alone", async () => {
    const bob = await sleeper("bob", android);
    const phone = await Peer.connect(bob.user.userId, { instanceId: bob.first });
    const alice = await Peer.connect(someone("alice"));
    const first = alice.start(bob.user.userId);
    await first.answered;
    await alice.call(first.callId, hangup);
    const second = alice.start(bob.user.userId);
    await second.answered;
    await phone.event("incoming", second.callId);
    await phone.call(second.callId, answer);
    const asked = vi.spyOn(CallSession.prototype, "isRinging");
    await gone(bob, phone);
    await expect.poll(() => asked.mock.settledResults).toEqual([{ type: "fulfilled", value: false }]);
    // What would have followed has followed.
    for (let turn = 0; turn < 3; turn += 1) await bob.hub.presence();
    expect(pushesFor(bob.user)).toEqual([]);
  });

  it("before it has acknowledged a message is woken", async () => {
    const bob = await sleeper("bob", android);
    const phone = await Peer.connect(bob.user.userId, { instanceId: bob.first });
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [bob.user.userId], text: "one" });
    await phone.incoming("one");
    phone.acknowledge();
    await alice.send({ to: [bob.user.userId], text: "two" });
    await phone.incoming("two");
    expect(pushesFor(bob.user)).toEqual([]);
    await gone(bob, phone);
    expect((await pushed(bob.user, "message")).content.from).toBe(alice.user.userId);
  });

  it("with everything acknowledged is not", async () => {
    const bob = await sleeper("bob", android);
    const phone = await Peer.connect(bob.user.userId, { instanceId: bob.first });
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [bob.user.userId], text: "one" });
    await phone.incoming("one");
    phone.acknowledge();
    await phone.settled();
    await gone(bob, phone);
    await hubLater(bob.user, 1_000);
    expect(pushesFor(bob.user)).toEqual([]);
  });

  it("without a word, as a laptop with a closed lid, keeps nobody from being woken", async () => {
    const { user, first, instances } = await sleeper("bob", android, browser);
    const laptop = await Peer.connect(user.userId, { instanceId: instances[1] });
    const alice = await Peer.connect(someone("alice"));
    await hubLater(user, 55_000);
    await alice.send({ to: [user.userId], text: "one" });
    expect(pushesFor(user)).toEqual([]);
    await hubLater(user, 10_000);
    await alice.send({ to: [user.userId], text: "two" });
    await pushed(user, "message");
    await alice.start(user.userId).answered;
    expect((await pushed(user, "call")).devices.map(({ instanceId }) => instanceId)).toContain(first);
    batches = [];
    // It says something: it is there.
    await laptop.request({ type: "presence", userId: user.userId });
    await hubLater(user, 6_000);
    await alice.send({ to: [user.userId], text: "three" });
    await alice.start(user.userId).answered;
    const again = pushesFor(user).filter(({ content }) => content.type === "call");
    expect(again.flatMap(({ devices }) => devices).map(({ instanceId }) => instanceId)).not.toContain(
      instances[1],
    );
    expect(typesFor(user)).not.toContain("message");
  });
});

describe("what the sender reports", () => {
  it("a dead token is dropped, and a call that reached nobody is over", async () => {
    const { user, hub } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await report(await pushed(user, "call"), { result: "dead", token: "fcm-token" });
    expect(await alice.event("ended", callId)).toMatchObject({
      cause: "failure",
      error: { name: "userOffline" },
    });
    expect(await hub.instances()).toMatchObject([{ instanceId: expect.any(String) }]);
    expect((await hub.instances())[0]).not.toHaveProperty("push");
    expect(await alice.start(user.userId).answered).toMatchObject({
      result: { ended: { error: { name: "userOffline" } } },
    });
  });

  it("an iPhone whose alert token has died keeps ringing by VoIP", async () => {
    const { user, hub, first } = await sleeper("bob", iphone);
    await hub.pushed({
      push: "message:x",
      results: [{ instanceId: first, result: "dead", token: "bb22" }],
      reference: "test",
    });
    const alice = await Peer.connect(someone("alice"));
    await alice.start(user.userId).answered;
    const [target] = (await pushed(user, "call")).devices;
    expect(target?.device).not.toHaveProperty("alertToken");
    expect(target?.device).toMatchObject({ voipToken: "aa11" });
  });

  it("a call is over also when its session did not hear it at first", async () => {
    const { user, hub } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    const batch = await pushed(user, "call");
    vi.spyOn(CallSession.prototype, "unreachable").mockRejectedValueOnce(new Error("restarted"));
    await report(batch, { result: "failed" });
    await alice.settled();
    expect(alice.events(callId)).not.toContain("ended");
    await evictDurableObject(hub);
    await hubLater(user, 8_000);
    expect(await alice.event("ended", callId)).toMatchObject({ error: { name: "userOffline" } });
    await hubLater(user, 60_000);
    expect(typesFor(user)).toEqual(["call"]);
  });

  it("a call is over when its only device has unregistered before it was pushed again", async () => {
    const { user, hub, first } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await pushed(user, "call");
    await hub.setPushDevice(first, null);
    await hubLater(user, 8_000);
    expect(await alice.event("ended", callId)).toMatchObject({ error: { name: "userOffline" } });
  });

  it("a call goes on when the app's own server may still wake a device", async () => {
    const { user, hub } = await sleeper("bob", android);
    await hub.setPushData(await register(user.userId), "ZA==");
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    await report(await pushed(user, "call"), { result: "dead", token: "fcm-token" });
    await alice.settled();
    expect(alice.events(callId)).not.toContain("ended");
  });

  it("a device registered anew, for another environment, say, is not dropped by a late report", async () => {
    const { hub, first, user } = await sleeper("bob", iphone);
    const alice = await Peer.connect(someone("alice"));
    await alice.start(user.userId).answered;
    const batch = await pushed(user, "call");
    await hub.setPushDevice(first, { ...iphone, environment: "development" });
    const registered = batch.devices[0]?.registered;
    expect(await report(batch, { result: "dead", token: "aa11", registered })).toEqual([]);
    const [target] = (await hub.instances()).map(({ push }) => push);
    expect(target).toEqual(["apns"]);
  });

  it.each([
    ["a token that was replaced meanwhile", { token: "former" }],
    ["a token that died before it was registered again", { token: "fcm-token", since: 1_000 }],
  ])("%s is not dropped", async (_name, dead) => {
    const { hub, first } = await sleeper("bob", android);
    const results = [{ instanceId: first, result: "dead" as const, ...dead }];
    await hub.pushed({ push: "call:x", results, reference: "test" });
    expect(await hub.instances()).toMatchObject([{ push: ["fcm"] }]);
  });

  it("a call goes on when one of its devices may still be reached, or somebody has come", async () => {
    const { user, instances } = await sleeper("bob", android, browser);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    const { push } = await pushed(user, "call");
    await userHub(bindings, user).pushed({
      push,
      results: [
        { instanceId: instances[0] ?? "", result: "failed" },
        { instanceId: instances[1] ?? "", result: "later" },
      ],
      reference: "test",
    });
    await alice.settled();
    expect(alice.events(callId)).not.toContain("ended");
  });
});

describe("a later attempt", () => {
  const question = ({ push, content }: PushBatch, instanceId: string) => ({ push, content, instanceId });

  it("is made while the call rings, with the token of now", async () => {
    const { user, hub, first } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId);
    await answered;
    const batch = await pushed(user, "call");
    expect(await hub.pushWanted(question(batch, first))).toEqual(batch.devices[0]);
    await hub.setPushDevice(first, { provider: "fcm", token: "newer" });
    const now = await hub.pushWanted(question(batch, first));
    expect(now).toMatchObject({ instanceId: first, device: { token: "newer" } });
    expect(now?.registered).toBeGreaterThan(batch.devices[0]?.registered ?? 0);
    await alice.call(callId, hangup);
    await pushed(user, "cancel");
    expect(await hub.pushWanted(question(batch, first))).toBeNull();
  });

  it.each<[string, (at: Awaited<ReturnType<typeof sleeper>>) => Promise<unknown>]>([
    ["unregistered its token", ({ hub, first }) => hub.setPushDevice(first, null)],
    ["logged out", ({ hub, first }) => hub.revoke(first, "test")],
    ["come", ({ user, first }) => Peer.connect(user.userId, { instanceId: first })],
    ["been too slow", ({ user }) => hubLater(user, 46_000)],
    ["been blocked with its user", ({ hub }) => hub.setBlocked(true, "test")],
  ])("is not made when the device has %s", async (_name, change) => {
    const bob = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    await alice.start(bob.user.userId).answered;
    const batch = await pushed(bob.user, "call");
    await change(bob);
    expect(await bob.hub.pushWanted(question(batch, bob.first))).toBeNull();
  });

  it("of a message is made until the device has it", async () => {
    const { user, hub, first } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [user.userId] });
    const batch = await pushed(user, "message");
    expect(await hub.pushWanted(question(batch, first))).toMatchObject({ device: android });
    const bob = await Peer.connect(user.userId, { instanceId: first });
    await bob.frame("mail");
    bob.acknowledge();
    await bob.settled();
    bob.close();
    await expect.poll(async () => (await hub.presence()).online).toBe(false);
    expect(await hub.pushWanted(question(batch, first))).toBeNull();
  });
});

describe("log-out", () => {
  it.each<[string, (at: Awaited<ReturnType<typeof sleeper>>) => Promise<unknown>]>([
    ["unregisters its token", ({ hub, first }) => hub.setPushDevice(first, null)],
    ["logs out", ({ hub, first }) => hub.revoke(first, "test")],
    ["is blocked", ({ hub }) => hub.setBlocked(true, "test")],
  ])("nothing is pushed to a device that %s", async (_name, change) => {
    const bob = await sleeper("bob", android);
    await change(bob);
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(bob.user.userId);
    expect(await answered).toMatchObject({ result: { ended: { cause: "failure" } } });
    await alice.send({ to: [bob.user.userId] });
    expect(alice.events(callId)).toEqual([]);
    expect(pushesFor(bob.user)).toEqual([]);
  });

  it("stops what would have been sent again", async () => {
    const { user, hub, first } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    await alice.start(user.userId).answered;
    await pushed(user, "call");
    await hub.setPushDevice(first, null);
    await hubLater(user, 8_000);
    expect(typesFor(user)).toEqual(["call"]);
  });

  it("a device that registers anew keeps its token, and a token belongs to one installation", async () => {
    const { user, hub, first } = await sleeper("bob", android);
    const again = await register(user.userId, application, { deviceId: "d1" });
    await hub.setPushDevice(again, android);
    expect(await hub.instances()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ instanceId: again, push: ["fcm"] }),
        expect.not.objectContaining({ instanceId: first, push: expect.anything() }),
      ]),
    );
    await register(user.userId, application, { deviceId: "d1" });
    const alice = await Peer.connect(someone("alice"));
    await alice.start(user.userId).answered;
    expect((await pushed(user, "call")).devices).toMatchObject([{ device: android }]);
  });

  it("shows no token to anybody", async () => {
    const { hub } = await sleeper("bob", iphone);
    expect(JSON.stringify(await hub.instances())).not.toContain("aa11");
  });
});

describe("the app's own pushes", () => {
  it("are handed to the caller, a pair for each device, beside the managed ones", async () => {
    const { user, hub } = await sleeper("bob", android);
    const own = await register(user.userId);
    await hub.setPushData(own, btoa("to my server"));
    const alice = await Peer.connect(someone("alice"));
    const { callId, answered } = alice.start(user.userId, { video: true });
    const reply = await answered;
    expect(reply).toMatchObject({
      result: { devices: 2, pushPairs: [{ data: btoa("to my server"), to: user.userId }] },
    });
    const [pair] =
      reply.type === "answer" && "pushPairs" in reply.result ? (reply.result.pushPairs ?? []) : [];
    expect(JSON.parse(pair?.payload ?? "") as PushPayload).toMatchObject({
      type: "call",
      id: callId,
      video: true,
    });
    expect((await pushed(user, "call")).devices).toHaveLength(1);
    const bob = await Peer.connect(user.userId, { instanceId: own });
    await bob.event("incoming", callId);
  });

  it("keep a call waiting for a device that only they can wake", async () => {
    const userId = someone("bob");
    const own = await register(userId);
    await userHub(bindings, { applicationKey: application, userId }).setPushData(own, "ZA==");
    const alice = await Peer.connect(someone("alice"));
    expect(await alice.start(userId).answered).toMatchObject({ result: { devices: 1 } });
  });

  it("are handed to the sender of a message", async () => {
    const userId = someone("bob");
    const hub = userHub(bindings, { applicationKey: application, userId });
    const own = await register(userId);
    await hub.setPushData(own, "ZA==");
    const alice = await Peer.connect(someone("alice"));
    const id = messageId();
    const [outcome] = await alice.send({ id, to: [userId] });
    expect(outcome?.pushPairs).toMatchObject([{ data: "ZA==", to: userId }]);
    expect(JSON.parse(outcome?.pushPairs?.[0]?.payload ?? "")).toMatchObject({ type: "message", id });
    const { take } = UserHub.prototype;
    vi.spyOn(UserHub.prototype, "take").mockImplementationOnce(async function (this: UserHub, given) {
      await take.call(this, given);
      throw new Error("the answer is lost");
    });
    const [repeated] = await alice.send({ to: [userId] });
    expect(repeated?.pushPairs).toHaveLength(1);
    await hub.setPushData(own, null);
    const [next] = await alice.send({ to: [userId] });
    expect(next).not.toHaveProperty("pushPairs");
  });
});

describe("messages", () => {
  it("wake the devices of somebody who is away, with the sender's name", async () => {
    const { user, instances } = await sleeper("bob", iphone, browser);
    const alice = await Peer.connect(someone("alice"));
    const id = messageId();
    await alice.request({
      type: "send",
      displayName: "Alice",
      messages: [{ id, to: [user.userId], text: "secret", headers: { topic: "tea" } }],
    });
    const batch = await pushed(user, "message");
    expect(batch.devices.map(({ instanceId }) => instanceId).sort()).toEqual([...instances].sort());
    expect(batch.content).toMatchObject({
      messageId: id,
      from: alice.user.userId,
      displayName: "Alice",
      headers: { topic: "tea" },
    });
    expect(JSON.stringify(batch)).not.toContain("secret");
  });

  it("that come one after the other are one push, and one more a little later", async () => {
    const { user } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const ids = Array.from({ length: 10 }, () => messageId());
    for (const id of ids) await alice.send({ id, to: [user.userId] });
    expect(typesFor(user)).toEqual(["message"]);
    await report(await pushed(user, "message"), { result: "sent" });
    await hubLater(user, 5_000);
    expect(pushesFor(user).map(({ content }) => "messageId" in content && content.messageId)).toEqual([
      ids[0],
      ids[9],
    ]);
  });

  it("wake nobody while a device is in the foreground, and do when all are in the background", async () => {
    const { user, first } = await sleeper("bob", android);
    const bob = await Peer.connect(user.userId);
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [user.userId], text: "one" });
    await bob.incoming("one");
    expect(pushesFor(user)).toEqual([]);
    await bob.request({ type: "state", state: { listening: true, background: true } });
    await alice.send({ to: [user.userId], text: "two" });
    expect((await pushed(user, "message")).devices).toMatchObject([{ instanceId: first }]);
  });

  it("do not wake a device whose app takes none, or which VoIP alone can wake", async () => {
    const { user, hub, first } = await sleeper("bob", android, { ...iphone, alertToken: undefined });
    const deaf = await Peer.connect(user.userId, { instanceId: first, mail: null });
    deaf.close();
    await expect.poll(async () => (await hub.presence()).online).toBe(false);
    const alice = await Peer.connect(someone("alice"));
    await alice.send({ to: [user.userId] });
    await alice.settled();
    expect(pushesFor(user)).toEqual([]);
  });

  it("are pushed with the name that came with the newest of them", async () => {
    const { user } = await sleeper("bob", android);
    const alice = { applicationKey: application, userId: someone("alice") };
    await register(alice.userId);
    const ids = [messageId(), messageId(), messageId()];
    await Promise.all(
      ["A", "B", "C"].map((displayName, at) =>
        userHub(bindings, alice).send({
          user: alice,
          messages: [messageOf({ id: ids[at], to: [user.userId] })],
          displayName,
          reference: "test",
        }),
      ),
    );
    await hubLater(user, 5_000);
    expect(pushesFor(user).at(-1)?.content).toMatchObject({ messageId: ids[2], displayName: "C" });
  });

  it("tell their sender when the headers had to go", async () => {
    const { user } = await sleeper("bob", android);
    const alice = await Peer.connect(someone("alice"));
    const [outcome] = await alice.send({ to: [user.userId], headers: { h: "\u0001".repeat(1_000) } });
    expect(outcome?.headersOmitted).toBe(true);
  });

  it("cost nothing more to somebody who has no device to wake", async () => {
    const alice = await Peer.connect(someone("alice"));
    const bob = someone("bob");
    await register(bob);
    await alice.send({ to: [bob] });
    const hub = userHub(bindings, { applicationKey: application, userId: bob });
    expect(
      await runInDurableObject(hub, (_, state) => [...state.storage.kv.list({ prefix: "push:" })]),
    ).toEqual([]);
    await runDurableObjectAlarm(hub);
    expect(batches.filter(({ user }) => user.userId === bob)).toEqual([]);
  });
});
