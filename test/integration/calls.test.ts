import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { CallData } from "../../core/calls/call-data";
import { callSession, userHub } from "../../durable-objects/names";
import type { CallOperation } from "../../protocol";
import {
  answer,
  application,
  bindings,
  established,
  flowing,
  hangup,
  later,
  Peer,
  register,
  ringing,
  someone,
} from "./peer";

describe("a call between two connections", () => {
  it("runs from start to hang-up, each side hearing what concerns it", async () => {
    const alice = await Peer.connect(someone("alice"));
    const bob = await Peer.connect(someone("bob"));
    const { callId, answered } = alice.start(bob.user.userId, { video: true, headers: { topic: "tea" } });
    expect(await answered).toMatchObject({ type: "answer", result: { devices: 1 } });
    expect(await bob.event("incoming", callId)).toMatchObject({
      from: { userId: alice.user.userId },
      video: true,
      headers: { topic: "tea" },
    });
    await bob.call(callId, ringing);
    await alice.event("ringing", callId);
    await alice.call(callId, { op: "candidates", candidates: [{ candidate: "candidate:1" }] });
    await bob.event("candidates", callId);
    expect(alice.events(callId)).toEqual(["ringing"]);
    await bob.call(callId, answer);
    expect(await alice.event("answered", callId)).toMatchObject({ description: { sdp: "v=0 answer" } });
    await alice.call(callId, flowing);
    await bob.call(callId, flowing);
    await alice.event("established", callId);
    await bob.event("established", callId);
    await bob.call(callId, { op: "media", media: { muted: true, held: false, video: "on" } });
    expect(await alice.event("media", callId)).toMatchObject({ media: { muted: true } });
    expect(await alice.call(callId, hangup)).toMatchObject({ result: { ended: { cause: "hungUp" } } });
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "hungUp" });
    expect(alice.events(callId)).not.toContain("ended");
  });

  it("writes one record, and forgets the call a minute later", async () => {
    const { alice, bob, callId, session } = await established();
    await alice.call(callId, hangup);
    await bob.event("ended", callId);
    await later(session, 61_000);
    const { results } = await bindings.DB.prepare("select * from calls where call_id = ?").bind(callId).all();
    expect(results).toHaveLength(1);
    expect(results[0]).toMatchObject({ caller_user_id: alice.user.userId, end_cause: "hungUp" });
    expect(await runInDurableObject(session, (_, state) => [...state.storage.kv.list()].length)).toBe(0);
    expect(await alice.call(callId, hangup)).toMatchObject({ type: "error", error: { name: "notFound" } });
  });

  it.each([
    ["nobody has registered", async () => someone("ghost"), "userUnknown"],
    [
      "no device is connected",
      async () => {
        const userId = someone("away");
        await register(userId);
        return userId;
      },
      "userOffline",
    ],
    [
      "the only device does not listen",
      async () => (await Peer.connect(someone("deaf"), { listening: false })).user.userId,
      "userOffline",
    ],
    [
      "the only device is in the background",
      async () => (await Peer.connect(someone("hidden"), { background: true })).user.userId,
      "userOffline",
    ],
    [
      "the callee is blocked",
      async () => {
        const userId = someone("blocked");
        await register(userId);
        await userHub(bindings, { applicationKey: application, userId }).setBlocked(true, "test");
        return userId;
      },
      "userBlocked",
    ],
  ])("ends at once when %s", async (_name, callee, name) => {
    const alice = await Peer.connect(someone("alice"));
    expect(await alice.start(await callee()).answered).toMatchObject({
      type: "answer",
      result: { ended: { cause: "failure", error: { name } } },
    });
  });

  it("rings a device that connects, or begins to listen, while it rings", async () => {
    const alice = await Peer.connect(someone("alice"));
    const bob = await Peer.connect(someone("bob"));
    const { callId, answered } = alice.start(bob.user.userId);
    await answered;
    await alice.call(callId, { op: "candidates", candidates: [{ candidate: "candidate:1" }] });
    const phone = await Peer.connect(bob.user.userId);
    await phone.event("candidates", callId);
    expect(phone.events(callId)).toEqual(["incoming", "candidates"]);
    const tablet = await Peer.connect(bob.user.userId, { listening: false });
    await tablet.settled();
    expect(tablet.events(callId)).toEqual([]);
    await tablet.request({ type: "state", state: { listening: true, background: false } });
    await tablet.event("incoming", callId);
    await alice.call(callId, hangup);
    for (const one of [bob, phone, tablet])
      expect(await one.event("ended", callId)).toMatchObject({ cause: "canceled" });
    const late = await Peer.connect(bob.user.userId);
    await late.settled();
    expect(late.events(callId)).toEqual([]);
  });
});

describe("many devices and tabs", () => {
  it("gives the call to the first answer", async () => {
    const alice = await Peer.connect(someone("alice"));
    const phone = await Peer.connect(someone("bob"));
    const laptop = await Peer.connect(phone.user.userId);
    const tab = await Peer.connect(phone.user.userId, { instanceId: laptop.instanceId });
    const { callId } = alice.start(phone.user.userId);
    for (const one of [phone, laptop, tab]) await one.event("incoming", callId);
    await laptop.call(callId, answer);
    expect(await phone.call(callId, answer)).toMatchObject({ error: { name: "conflict" } });
    for (const one of [phone, tab]) {
      expect(await one.event("ended", callId)).toMatchObject({ cause: "otherDeviceAnswered" });
    }
    phone.close();
    tab.close();
    await alice.call(callId, hangup);
    expect(await laptop.event("ended", callId)).toMatchObject({ cause: "hungUp" });
    expect(laptop.events(callId)).toEqual(["incoming", "ended"]);
  });

  it("ends everywhere when one device declines", async () => {
    const alice = await Peer.connect(someone("alice"));
    const phone = await Peer.connect(someone("bob"));
    const laptop = await Peer.connect(phone.user.userId);
    const { callId } = alice.start(phone.user.userId);
    await laptop.event("incoming", callId);
    await phone.event("incoming", callId);
    await phone.call(callId, hangup);
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "denied" });
    expect(await laptop.event("ended", callId)).toMatchObject({ cause: "denied" });
  });

  it("goes on ringing when one of three tabs closes or says goodbye", async () => {
    const alice = await Peer.connect(someone("alice"));
    const one = await Peer.connect(someone("bob"));
    const two = await Peer.connect(one.user.userId, { instanceId: one.instanceId });
    const three = await Peer.connect(one.user.userId, { instanceId: one.instanceId });
    const { callId } = alice.start(one.user.userId);
    for (const tab of [one, two, three]) await tab.event("incoming", callId);
    one.close();
    two.say({ type: "goodbye" });
    await three.call(callId, answer);
    await alice.event("answered", callId);
    expect(alice.events(callId)).not.toContain("ended");
  });

  it("ends the call of a tab that says goodbye", async () => {
    const { alice, bob, callId } = await established();
    alice.say({ type: "goodbye" });
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "hungUp" });
  });
});

describe("timers", () => {
  it("rings for as long as the caller asks", async () => {
    const alice = await Peer.connect(someone("alice"));
    const bob = await Peer.connect(someone("bob"));
    const { callId, answered } = alice.start(bob.user.userId, { ringSeconds: 10 });
    await answered;
    const session = callSession(bindings, application, callId);
    await later(session, 9_000);
    expect(alice.events(callId)).not.toContain("ended");
    await bob.call(callId, ringing);
    await later(session, 1_001);
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "noAnswer" });
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "noAnswer" });
  });

  it("ends a call whose party stays away for 30 s, and not before", async () => {
    const { alice, bob, callId, session } = await established();
    bob.close();
    await bob.untilClosed();
    const deadlines = () =>
      runInDurableObject(session, (_, state) => state.storage.kv.get<CallData>("call")?.deadlines);
    await expect.poll(deadlines).toHaveProperty("calleeAway");
    await later(session, 29_000);
    expect(alice.events(callId)).not.toContain("ended");
    await later(session, 1_500);
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "inactive" });
  });
});

describe("losses", () => {
  it("survives the eviction of both hubs and the session, and goes on", async () => {
    const { alice, bob, callId, session } = await established();
    for (const stub of [userHub(bindings, alice.user), userHub(bindings, bob.user), session]) {
      await evictDurableObject(stub);
    }
    await alice.call(callId, { op: "media", media: { muted: true, held: false, video: "off" } }, { ack: 4 });
    expect(await bob.event("media", callId)).toMatchObject({ media: { muted: true } });
    await bob.call(callId, hangup);
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "hungUp" });
  });

  it("remembers whose media flows when the session sleeps in between", async () => {
    const alice = await Peer.connect(someone("alice"));
    const bob = await Peer.connect(someone("bob"));
    const { callId, answered } = alice.start(bob.user.userId);
    await answered;
    await bob.call(callId, ringing);
    await bob.call(callId, answer);
    const session = callSession(bindings, application, callId);
    await alice.call(callId, flowing);
    await evictDurableObject(session);
    await bob.call(callId, flowing);
    await Promise.all([alice.event("established", callId), bob.event("established", callId)]);

    // Both lose their media, one gets it back: the call still ends over the other.
    const lost: CallOperation = { op: "flowing", flowing: false };
    await alice.call(callId, lost);
    await bob.call(callId, lost);
    await evictDurableObject(session);
    await alice.call(callId, flowing);
    await later(session, 21_000);
    expect(await alice.event("ended", callId)).toMatchObject({ error: { name: "mediaFailed" } });
  });

  it("gives a connection that comes back what it missed, once, and applies its repetitions once", async () => {
    const { alice, bob, callId } = await established();
    const ack = Math.max(...bob.callFrames(callId).map(({ seq }) => seq));
    await evictDurableObject(userHub(bindings, bob.user), { webSockets: "close" });
    const media = (muted: boolean) => ({ op: "media", media: { muted, held: false, video: "off" } }) as const;
    await alice.call(callId, media(true));
    await alice.call(callId, media(false));
    await alice.call(callId, media(false), { n: 4 });
    const back = await bob.again([{ callId, ack }]);
    const synced = await back.when((one) => (one.type === "synced" ? one : undefined));
    expect(synced).toMatchObject({ callId, n: 3 });
    const missed = back
      .callFrames(callId)
      .map(({ event }) => (event.event === "media" ? event.media.muted : event));
    expect(missed).toEqual([true, false]);
    await back.call(callId, hangup, { n: 4 });
    expect(await alice.event("ended", callId)).toMatchObject({ cause: "hungUp" });
  });

  it("says that it does not know a call that is long over", async () => {
    const alice = await Peer.connect(someone("alice"));
    const callId = crypto.randomUUID();
    const back = await alice.again([{ callId, ack: 3 }]);
    expect(await back.frame("synced")).toEqual({ type: "synced", callId, n: 0, unknown: true });
    expect(await alice.untilClosed()).toBe(4409);
  });
});

describe("strangers", () => {
  it("cannot reach a call by its id: neither another user, nor another application, nor another tab", async () => {
    const { alice, bob, callId } = await established();
    const eve = await Peer.connect(someone("eve"));
    const foreign = "5f5c418a-0f91-4bbc-8234-a9bf5eddad97";
    const mallory = await Peer.connect(bob.user.userId, { applicationKey: foreign });
    const tab = await Peer.connect(alice.user.userId, { instanceId: alice.instanceId });
    for (const peer of [eve, mallory, tab]) {
      for (const op of [hangup, answer, flowing, ringing]) {
        for (const origin of [undefined, application]) {
          const refused = await peer.call(callId, op, { origin });
          expect(refused).toMatchObject({ type: "error", error: { name: "notFound" } });
        }
      }
      const back = await peer.again([{ callId, ack: 0 }]);
      expect(await back.frame("synced")).toMatchObject({ unknown: true });
      expect(back.events(callId)).toEqual([]);
    }
    await bob.settled();
    expect(bob.events(callId)).not.toContain("ended");
    const again = await mallory.again();
    const stolen = await again.call(
      callId,
      { op: "start", to: "nobody", video: false, headers: {}, offer: { type: "offer", sdp: "" } },
      { n: 1 },
    );
    expect(stolen.type).toBe("answer");
    await bob.settled();
    expect(bob.events(callId)).not.toContain("ended");
  });

  it("cannot start a call to itself, or to another application that does not allow it", async () => {
    const alice = await Peer.connect(someone("alice"));
    expect(await alice.start(alice.user.userId).answered).toMatchObject({ error: { name: "invalidValue" } });
    const { answered } = alice.start("bob@5f5c418a-0f91-4bbc-8234-a9bf5eddad97");
    expect(await answered).toMatchObject({ error: { name: "userUnknown" } });
  });
});
