import { abortAllDurableObjects, evictAllDurableObjects, runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { userHub } from "../../durable-objects/names";
import { closeCodes, type Hello, limits, serverLimits } from "../../protocol";
import { application, bindings, established, hangup, Peer, register, someone } from "./peer";

const hello: Hello = {
  type: "hello",
  versions: [1],
  connectionId: "0190a3c4-0000-7000-8000-000000000001",
  sdk: "test",
  state: { listening: true, background: false },
  calls: [],
};

describe("hello", () => {
  it("is answered with the version, the instance and the time", async () => {
    const peer = await Peer.connect(someone("alice"));
    expect(await peer.frame("welcome")).toMatchObject({
      version: 1,
      versions: [1],
      userId: peer.user.userId,
      instanceId: peer.instanceId,
    });
  });

  it("without a common version is refused, with the versions that would do", async () => {
    const peer = await Peer.connect(someone("alice"), { hello: false });
    peer.say({ ...hello, versions: [2, 3] });
    expect(await peer.frame("refused")).toMatchObject({ versions: [1], error: { errorCode: 42600 } });
    expect(await peer.untilClosed()).toBe(closeCodes.versionRefused);
  });

  it("takes the common version from a client that speaks more", async () => {
    const peer = await Peer.connect(someone("alice"), { hello: false });
    peer.say({ ...hello, versions: [7, 1] });
    expect(await peer.frame("welcome")).toMatchObject({ version: 1 });
  });

  it("has to come first", async () => {
    const peer = await Peer.connect(someone("alice"), { hello: false });
    peer.say({ type: "iceServers", id: 1 });
    expect(await peer.untilClosed()).toBe(closeCodes.helloExpected);
  });

  it("has to come in time", async () => {
    const silent = await Peer.connect(someone("alice"), { hello: false });
    await runInDurableObject(userHub(bindings, silent.user), (object) => {
      object.clock = () => Date.now() + serverLimits.helloSeconds * 1_000 + 1;
    });
    await Peer.connect(silent.user.userId);
    expect(await silent.untilClosed()).toBe(closeCodes.helloExpected);
  });

  it("comes once", async () => {
    const peer = await Peer.connect(someone("alice"));
    peer.say(hello);
    expect(await peer.frame("error")).toMatchObject({ id: null, error: { name: "conflict" } });
    await peer.settled();
  });

  it("closes the former socket of the same connection", async () => {
    const peer = await Peer.connect(someone("alice"));
    const again = await peer.again();
    expect(await peer.untilClosed()).toBe(closeCodes.replaced);
    await again.settled();
  });
});

describe("who may connect", () => {
  it("is not a revoked instance, whose open sockets are closed at once", async () => {
    const userId = someone("alice");
    const peer = await Peer.connect(userId);
    const other = await Peer.connect(userId);
    await userHub(bindings, peer.user).revoke(peer.instanceId, "test");
    expect(await peer.untilClosed()).toBe(closeCodes.unauthorized);
    const late = await Peer.connect(userId, { instanceId: peer.instanceId, hello: false });
    expect(await late.frame("refused")).toMatchObject({ error: { name: "instanceRevoked" } });
    expect(await late.untilClosed()).toBe(closeCodes.unauthorized);
    await other.settled();
  });

  it("is not a blocked user", async () => {
    const peer = await Peer.connect(someone("alice"));
    const hub = userHub(bindings, peer.user);
    await hub.setBlocked(true, "test");
    expect(await peer.untilClosed()).toBe(closeCodes.unauthorized);
    const { instanceId } = peer;
    const late = await Peer.connect(peer.user.userId, { instanceId, hello: false });
    expect(await late.frame("refused")).toMatchObject({ error: { errorCode: 40301 } });
    await hub.setBlocked(false, "test");
    await Peer.connect(peer.user.userId, { instanceId });
  });

  it("is not an instance that has expired", async () => {
    const user = { applicationKey: application, userId: someone("alice") };
    const hub = userHub(bindings, user);
    const proof = { kind: "sequence", sequence: "18446744073709551615" } as const;
    const result = await hub.register({
      user,
      proof,
      instanceExpires: Date.now() + 60_000,
      reference: "test",
    });
    if (!result.ok) throw new Error("not registered");
    const { instanceId } = result.value;
    expect(await hub.check(instanceId)).toEqual({ ok: true, value: null });
    await runInDurableObject(hub, (object) => {
      object.clock = () => Date.now() + 61_000;
    });
    expect(await hub.check(instanceId)).toMatchObject({ error: { name: "instanceRevoked" } });
    expect(await hub.instances()).toEqual([]);
  });

  it("gives way, as the longest idle instance, when there are too many", async () => {
    const userId = someone("alice");
    const first = await register(userId);
    const online = await Peer.connect(userId);
    for (let i = 2; i <= serverLimits.instancesPerUser; i++) await register(userId);
    const hub = userHub(bindings, { applicationKey: application, userId });
    expect(await hub.instances()).toHaveLength(serverLimits.instancesPerUser);
    expect(await hub.check(first)).toMatchObject({ ok: false });
    expect(await hub.check(online.instanceId)).toMatchObject({ ok: true });
  });
});

describe("presence", () => {
  it("is online with a connection, and last seen when the last one went", async () => {
    const watcher = await Peer.connect(someone("watcher"));
    const bob = await Peer.connect(someone("bob"));
    const ask = (userId: string) => watcher.request({ type: "presence", userId });
    expect(await ask(bob.user.userId)).toMatchObject({ result: { online: true } });
    const second = await Peer.connect(bob.user.userId);
    bob.close();
    await bob.untilClosed();
    expect(await ask(bob.user.userId)).toMatchObject({ result: { online: true } });
    const before = Date.now();
    second.close();
    await second.untilClosed();
    await expect
      .poll(async () => (await ask(bob.user.userId)) as object)
      .toMatchObject({ result: { online: false } });
    const answer = (await ask(bob.user.userId)) as { result: { lastSeen: number } };
    expect(answer.result.lastSeen).toBeGreaterThanOrEqual(before);
    expect(await ask(someone("ghost"))).toMatchObject({ error: { name: "userUnknown" } });
  });
});

describe("a server that restarts", () => {
  it("loses nothing of an established call: both come back, missed events arrive once", async () => {
    const { alice, bob, callId } = await established();
    const ackOf = (peer: Peer) => Math.max(...peer.callFrames(callId).map(({ seq }) => seq));
    const acks = [ackOf(alice), ackOf(bob)] as const;
    await abortAllDurableObjects();
    const media = { op: "media", media: { muted: true, held: false, video: "off" } } as const;
    const aliceBack = await alice.again([{ callId, ack: acks[0] }]);
    expect(await aliceBack.frame("synced")).toMatchObject({ n: 2 });
    expect((await aliceBack.call(callId, media, { n: 3 })).type).toBe("answer");
    const bobBack = await bob.again([{ callId, ack: acks[1] }]);
    expect(await bobBack.frame("synced")).toMatchObject({ n: 3 });
    await bobBack.event("media", callId);
    expect(bobBack.events(callId)).toEqual(["media"]);
    await bobBack.call(callId, hangup, { n: 4 });
    expect(await aliceBack.event("ended", callId)).toMatchObject({ cause: "hungUp" });
  });
});

// ---- what nobody should send ------------------------------------------------------------------

const uuid = "0190a3c4-0000-7000-8000-0000000000aa";
const junk = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.constant(null),
  fc.constant("\u0000\ud800"),
  fc.array(fc.string(), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
  fc.constant("x".repeat(2_000)),
  fc.double(),
);
const sometimes = <T>(sensible: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: sensible }, { weight: 1, arbitrary: junk });
const descriptions = fc.record({
  type: sometimes(fc.constantFrom("offer", "answer")),
  sdp: sometimes(fc.string()),
});
const anyOperation = fc.record(
  {
    op: sometimes(
      fc.constantFrom(
        "start",
        "ringing",
        "answer",
        "candidates",
        "description",
        "media",
        "flowing",
        "hangup",
      ),
    ),
    to: sometimes(fc.constantFrom("bob", "nobody", `bob@${uuid}`, "", "ü")),
    video: sometimes(fc.boolean()),
    headers: sometimes(fc.dictionary(fc.string({ maxLength: 5 }), fc.string(), { maxKeys: 3 })),
    offer: sometimes(descriptions),
    description: sometimes(descriptions),
    candidates: sometimes(fc.array(fc.record({ candidate: sometimes(fc.string()) }), { maxLength: 80 })),
    media: sometimes(
      fc.record({
        muted: sometimes(fc.boolean()),
        held: fc.boolean(),
        video: fc.constantFrom("on", "off", "loud"),
      }),
    ),
    flowing: sometimes(fc.boolean()),
    ringSeconds: sometimes(fc.integer({ min: -1, max: 200 })),
    error: sometimes(fc.record({ name: sometimes(fc.constantFrom("internal", "<b>")) })),
  },
  { requiredKeys: ["op"] },
);
const anyFrame = fc.record(
  {
    type: sometimes(
      fc.constantFrom("call", "state", "ack", "iceServers", "presence", "hello", "welcome", "goodbye_"),
    ),
    id: sometimes(fc.integer({ min: 1_000_000, max: 2_000_000 })),
    callId: sometimes(fc.constantFrom(uuid, "not-a-uuid", "../..", uuid.toUpperCase())),
    origin: sometimes(fc.constant(uuid)),
    n: sometimes(fc.integer({ min: -1, max: 5 })),
    ack: sometimes(fc.integer({ min: -1, max: 2 ** 40 })),
    op: sometimes(anyOperation),
    calls: sometimes(
      fc.array(fc.record({ callId: sometimes(fc.constant(uuid)), ack: sometimes(fc.nat(3)) }), {
        maxLength: 40,
      }),
    ),
    state: sometimes(fc.record({ listening: sometimes(fc.boolean()), background: fc.boolean() })),
    userId: sometimes(fc.string({ maxLength: 50 })),
  },
  { requiredKeys: ["type"] },
);

describe("malformed, oversized, out-of-order and foreign frames", () => {
  it("are answered with a code; the socket stays open and the call of others is untouched", async () => {
    const { alice, bob, callId } = await established();
    const heardBefore = bob.frames.length;
    let eve = await Peer.connect(someone("eve"));
    let cases = 0;
    const texts = fc.oneof(
      { weight: 8, arbitrary: anyFrame.map((frame) => JSON.stringify(frame)) },
      { weight: 2, arbitrary: anyFrame.map((frame) => JSON.stringify({ ...frame, callId })) },
      { weight: 1, arbitrary: fc.string() },
      { weight: 1, arbitrary: fc.json() },
      {
        weight: 1,
        arbitrary: fc.constantFrom("{", "[]", "null", "[".repeat(5_000), `"${"x".repeat(70_000)}"`),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(texts, { minLength: 100, maxLength: 100 }), async (batch) => {
        for (const text of batch) {
          cases += 1;
          // A sensible frame between two bad ones, since three in a row would close the socket.
          const before = eve.frames.length;
          eve.raw(text);
          await eve.settled();
          for (const frame of eve.frames.slice(before)) {
            if (frame.type !== "error") continue;
            expect(frame.error.errorCode, text).toBeGreaterThanOrEqual(40_001);
            expect(frame.error.name, `${text} → ${JSON.stringify(frame)}`).not.toBe("internal");
            expect(frame.error.hint).toBeTruthy();
            expect(frame.error.reference).toBe("test");
            expect(JSON.stringify(frame)).not.toMatch(/\\n|\.ts:|SQLITE|Exception/);
          }
          expect(eve.closed).toBeNull();
        }
        eve.close();
        // A fresh one for the next batch: the rate limit belongs to a socket.
        eve = await Peer.connect(eve.user.userId, { instanceId: eve.instanceId });
      }),
      { numRuns: 30, endOnFailure: true },
    );
    expect(cases).toBeGreaterThanOrEqual(3_000);
    await bob.settled();
    expect(bob.frames.slice(heardBefore).filter(({ type }) => type === "call")).toEqual([]);
    await alice.call(callId, hangup);
    await bob.event("ended", callId);
  }, 120_000);

  it("close the socket after three in a row", async () => {
    const peer = await Peer.connect(someone("alice"));
    for (const text of ["{", "nonsense", '{"type":"moo"}']) peer.raw(text);
    expect(await peer.untilClosed()).toBe(closeCodes.tooManyBadFrames);
    expect(peer.frames.filter(({ type }) => type === "error")).toHaveLength(3);
  });

  it("name what is wrong, with the id of the request", async () => {
    const peer = await Peer.connect(someone("alice"));
    peer.raw(JSON.stringify({ type: "presence", id: 7, userId: "zwölf" }));
    expect(await peer.frame("error")).toMatchObject({
      id: 7,
      error: { errorCode: 40001, detail: "userId: not a user id" },
    });
  });

  it("are told apart by their size", async () => {
    const peer = await Peer.connect(someone("alice"));
    peer.raw(JSON.stringify({ type: "presence", id: 1, userId: "é".repeat(serverLimits.frameBytes / 2) }));
    expect(await peer.frame("error")).toMatchObject({ error: { errorCode: 40003 } });
    peer.raw(new ArrayBuffer(2));
    await expect.poll(() => peer.frames.filter(({ type }) => type === "error").length).toBe(2);
  });

  it("are refused above the rate, with the time to wait; a flood closes the socket", async () => {
    const peer = await Peer.connect(someone("alice"));
    const now = Date.now();
    await runInDurableObject(userHub(bindings, peer.user), (object) => {
      object.clock = () => now;
    });
    for (let id = 1; id <= serverLimits.framesBurst + 50; id++)
      peer.say({ type: "presence", id, userId: "nobody" });
    const refused = await peer.when((one) =>
      one.type === "error" && one.error.name === "rateLimited" ? one : undefined,
    );
    // The hello took one, which may have grown back before the clock stood still.
    expect([serverLimits.framesBurst, serverLimits.framesBurst + 1]).toContain(refused.id);
    expect(refused.error.retryAfter).toBeGreaterThan(0);
    for (let id = 1; id <= serverLimits.framesBurst * 3; id++) peer.say({ type: "iceServers", id });
    expect(await peer.untilClosed()).toBe(closeCodes.rateLimited);
  });

  it("cannot make a connection hold more calls than allowed", async () => {
    const bob = await Peer.connect(someone("bob"));
    const alice = await Peer.connect(someone("alice"));
    for (let i = 0; i < limits.callsPerConnection; i++) {
      expect((await alice.start(bob.user.userId).answered).type).toBe("answer");
    }
    expect(await alice.start(bob.user.userId).answered).toMatchObject({ error: { name: "rateLimited" } });
  });

  it("leave no storage behind for users that do not exist", async () => {
    const alice = await Peer.connect(someone("alice"));
    const ghost = { applicationKey: application, userId: someone("ghost") };
    await alice.request({ type: "presence", userId: ghost.userId });
    await alice.start(ghost.userId).answered;
    await evictAllDurableObjects();
    const hub = userHub(bindings, ghost);
    expect(await runInDurableObject(hub, (_, state) => [...state.storage.kv.list()])).toEqual([]);
  });
});
