/** What goes wrong between objects: restarts in the middle of a step, late news, clients that do not obey. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CallData } from "../../core/calls/call-data";
import { CallSession } from "../../durable-objects/call-session/call-session";
import { callSession, userHub } from "../../durable-objects/names";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { type CallOperation, serverLimits } from "../../protocol";
import {
  answer,
  application,
  bindings,
  established,
  flowing,
  hangup,
  later,
  offer,
  Peer,
  ringing,
  someone,
} from "./peer";

afterEach(() => vi.restoreAllMocks());

const candidates: CallOperation = { op: "candidates", candidates: [{ candidate: "candidate:1" }] };
const restarting = async (): Promise<never> => {
  throw new Error("reset because its code was updated");
};
const call = (session: DurableObjectStub<CallSession>) =>
  runInDurableObject(session, (_, state) => state.storage.kv.get<CallData>("call"));

async function pair() {
  const alice = await Peer.connect(someone("alice"));
  return { alice, bob: await Peer.connect(someone("bob")) };
}

describe("an object that restarts in the middle", () => {
  it("of ringing: the call is offered all the same, and told to nobody twice", async () => {
    const { alice, bob } = await pair();
    vi.spyOn(UserHub.prototype, "ring").mockImplementationOnce(restarting);
    const { callId, answered } = alice.start(bob.user.userId);
    expect(await answered).toMatchObject({ type: "answer", result: { devices: 1 } });
    await bob.event("incoming", callId);
    expect((await call(callSession(bindings, application, callId)))?.state).toBe("progressing");
  });

  it("of ringing, for good: the caller is told, and nothing stays behind", async () => {
    const { alice, bob } = await pair();
    vi.spyOn(UserHub.prototype, "ring").mockImplementation(restarting);
    const { callId, answered } = alice.start(bob.user.userId);
    expect(await answered).toMatchObject({ type: "error", error: { name: "unavailable" } });
    expect(await call(callSession(bindings, application, callId))).toBeUndefined();
  });

  it("of a resume: it is repeated", async () => {
    const { alice, callId } = await established();
    vi.spyOn(CallSession.prototype, "sync").mockImplementationOnce(restarting);
    const back = await alice.again([{ callId, ack: 4 }]);
    expect(await back.frame("synced")).toMatchObject({ callId, n: 2 });
  });

  it("of a resume, for good: the socket is closed, so that the client tries again", async () => {
    const { alice, callId } = await established();
    const spy = vi.spyOn(CallSession.prototype, "sync").mockImplementation(restarting);
    const back = await alice.again([{ callId, ack: 4 }]);
    expect(await back.untilClosed()).toBe(4412);
    spy.mockRestore();
    const again = await back.again([{ callId, ack: 4 }]);
    await again.frame("synced");
  });

  it("of a delivery: it is repeated by alarm", async () => {
    const { alice, bob, callId, session } = await established();
    const spy = vi.spyOn(UserHub.prototype, "deliver").mockImplementation(restarting);
    await alice.call(callId, hangup);
    await expect.poll(() => spy.mock.calls.length).toBeGreaterThanOrEqual(3);
    spy.mockRestore();
    await expect
      .poll(() => runInDurableObject(session, (_, state) => state.storage.getAlarm()))
      .toBeLessThan(Date.now() + 40_000);
    await later(session, 2_000);
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "hungUp" });
  });

  it("of a goodbye: the call ends all the same", async () => {
    const { alice, bob, callId } = await established();
    vi.spyOn(CallSession.prototype, "gone").mockImplementationOnce(restarting);
    alice.say({ type: "goodbye" });
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "hungUp" });
  });

  it("of anything else: the request gets its answer", async () => {
    const alice = await Peer.connect(someone("alice"));
    vi.spyOn(UserHub.prototype, "presence").mockImplementationOnce(restarting);
    expect(await alice.request({ type: "presence", userId: "bob" })).toMatchObject({
      type: "error",
      error: { name: "internal" },
    });
  });

  it("of storing: nothing is said that is not stored", async () => {
    const { alice, bob, callId, session } = await established();
    await runInDurableObject(session, (_, state) => {
      vi.spyOn(state.storage.kv, "put").mockImplementationOnce(() => {
        throw new Error("disk full");
      });
    });
    expect(await alice.call(callId, hangup)).toMatchObject({ result: { ended: { cause: "hungUp" } } });
    expect((await call(session))?.state).toBe("ended");
    await bob.event("ended", callId);
    const count = () =>
      bindings.DB.prepare("select count(*) as n from calls where call_id = ?").bind(callId).first("n");
    await expect.poll(count).toBe(1);
  });
});

describe("news that come late", () => {
  it("that a connection is away do not end the call of one that is back", async () => {
    const { alice, bob, callId, session } = await established();
    bob.close();
    await bob.untilClosed();
    const back = await bob.again([{ callId, ack: 3 }]);
    await back.frame("synced");
    const { instanceId, connectionId } = bob;
    await session.away({ ...bob.user, instanceId, connectionId });
    await later(session, 31_000);
    await expect.poll(async () => (await call(session))?.deadlines).not.toHaveProperty("calleeAway");
    expect(alice.events(callId)).not.toContain("ended");
  });

  it("of a start reach the connection that came back meanwhile", async () => {
    const alice = await Peer.connect(someone("alice"));
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const asked = new Promise<void>((resolve) => {
      vi.spyOn(UserHub.prototype, "ring").mockImplementationOnce(async () => {
        resolve();
        await gate;
        const nobody = { available: [], connected: [], pushed: 0, pushPairs: [], headersOmitted: false };
        return { known: false, blocked: false, ...nobody };
      });
    });
    const { callId, answered } = alice.start(someone("ghost"));
    // Its socket is replaced before it is answered.
    answered.catch(() => {});
    await asked;
    const back = await alice.again([{ callId, ack: 0 }]);
    release();
    expect(await back.event("ended", callId)).toMatchObject({ error: { name: "userUnknown" } });
    expect(await back.frame("synced")).toMatchObject({ n: 1 });
  });

  it("are not told again to devices that do not have the call", async () => {
    const { alice, bob } = await pair();
    const tablet = await Peer.connect(bob.user.userId);
    const { callId } = alice.start(bob.user.userId);
    await tablet.event("incoming", callId);
    await alice.call(callId, candidates);
    await bob.call(callId, answer);
    await tablet.event("ended", callId);
    const heard = tablet.events(callId);
    const session = callSession(bindings, application, callId);
    await alice.call(callId, flowing);
    for (let i = 0; i < 2; i++) {
      await evictDurableObject(session);
      await alice.call(callId, candidates);
      await bob.settled();
    }
    await tablet.settled();
    expect(tablet.events(callId)).toEqual(heard);
  });

  it("reach a device that was away when another one answered", async () => {
    const { alice, bob } = await pair();
    const tablet = await Peer.connect(bob.user.userId);
    const { callId } = alice.start(bob.user.userId);
    await tablet.event("incoming", callId);
    tablet.close();
    await tablet.untilClosed();
    await bob.call(callId, answer);
    const back = await tablet.again([{ callId, ack: 1 }]);
    expect(await back.event("ended", callId)).toMatchObject({ cause: "otherDeviceAnswered" });
  });

  it("of the end, and candidates, reach a device that went to the background while it rang", async () => {
    const { alice, bob } = await pair();
    const { callId } = alice.start(bob.user.userId);
    await bob.event("incoming", callId);
    await bob.call(callId, ringing);
    await bob.request({ type: "state", state: { listening: true, background: true } });
    await alice.call(callId, candidates);
    await bob.event("candidates", callId);
    await alice.call(callId, hangup);
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "canceled" });
  });
});

describe("a client that does not obey", () => {
  it("is not heard after its socket was closed, and its call has ended", async () => {
    const { alice, bob, callId } = await established();
    const hub = userHub(bindings, alice.user);
    const second = crypto.randomUUID();
    await runInDurableObject(hub, async (object, state) => {
      const [socket] = state.getWebSockets();
      if (!socket) throw new Error("no socket");
      await object.setBlocked(true, "test");
      const start = { op: "start", to: bob.user.userId, video: false, headers: {}, offer };
      await object.webSocketMessage(
        socket,
        JSON.stringify({ type: "call", id: 99, callId: second, n: 1, ack: 0, op: start }),
      );
    });
    expect(await bob.event("ended", callId)).toMatchObject({ cause: "hungUp" });
    await bob.settled();
    expect(bob.events(second)).toEqual([]);
  });

  it("closes with a code that may not be sent: its session hears of it", async () => {
    const { bob, session } = await established();
    await runInDurableObject(userHub(bindings, bob.user), async (object, state) => {
      const [socket] = state.getWebSockets();
      if (socket) await object.webSocketClose(socket, 1015).catch(() => {});
    });
    await expect.poll(async () => (await call(session))?.deadlines).toHaveProperty("calleeAway");
  });

  it("stays connected past its instance's end: it is put out", async () => {
    const user = { applicationKey: application, userId: someone("alice") };
    const hub = userHub(bindings, user);
    const registered = await hub.register({
      user,
      proof: { kind: "sequence", sequence: "1" },
      instanceExpires: Date.now() + 60_000,
      reference: "test",
    });
    if (!registered.ok) throw new Error("not registered");
    const alice = await Peer.connect(user.userId, { instanceId: registered.value.instanceId });
    await runInDurableObject(hub, (object) => {
      object.clock = () => Date.now() + 61_000;
    });
    alice.say({ type: "iceServers", id: 1 });
    expect(await alice.untilClosed()).toBe(4401);
  });

  it("starts calls without end: it is told to wait", async () => {
    const alice = await Peer.connect(someone("alice"));
    const now = Date.now();
    await runInDurableObject(userHub(bindings, alice.user), (object) => {
      object.clock = () => now;
    });
    const ghost = someone("ghost");
    const results = [];
    for (let i = 0; i <= serverLimits.callsBurst; i++) results.push(await alice.start(ghost).answered);
    expect(results.filter(({ type }) => type === "answer")).toHaveLength(serverLimits.callsBurst);
    expect(results.at(-1)).toMatchObject({
      error: { name: "rateLimited", retryAfter: 1 / serverLimits.callsPerSecond },
    });
  });

  it("fills the other side's log with large frames: the call ends before it outgrows a row", async () => {
    const { alice, callId, session } = await established();
    const description = { type: "offer", sdp: "x".repeat(39_000) } as const;
    const replies = [];
    for (let i = 0; i < 15; i++) {
      replies.push(await alice.call(callId, { op: "description", description, candidates: [] }));
    }
    const over = { result: { ended: { cause: "failure", error: { name: "tooLarge" } } } };
    const last = replies.find((reply) => reply.type === "answer" && "ended" in reply.result);
    expect(last).toMatchObject(over);
    expect(JSON.stringify(await call(session)).length).toBeLessThan(2 * serverLimits.callLogBytes);
  });

  it("toggles its state: calls that are over cost nothing", async () => {
    const { alice, bob } = await pair();
    const { callId } = alice.start(bob.user.userId, { ringSeconds: 120 });
    await bob.event("incoming", callId);
    await alice.call(callId, hangup);
    await bob.event("ended", callId);
    const session = callSession(bindings, application, callId);
    const rows = () =>
      runInDurableObject(
        session,
        (_, state) => state.storage.sql.exec("select total_changes() as rows").one().rows,
      );
    const before = await rows();
    for (let i = 0; i < 10; i++) {
      for (const listening of [false, true]) {
        await bob.request({ type: "state", state: { listening, background: false } });
      }
    }
    const late = await Peer.connect(bob.user.userId);
    await late.settled();
    expect(await rows()).toBe(before);
  });

  it("starts with an origin that is not its own: its session hears when it goes", async () => {
    const { alice, bob } = await pair();
    const callId = crypto.randomUUID();
    const start: CallOperation = { op: "start", to: bob.user.userId, video: false, headers: {}, offer };
    await alice.call(callId, start, { origin: "5f5c418a-0f91-4bbc-8234-a9bf5eddad97" });
    alice.close();
    await alice.untilClosed();
    const session = callSession(bindings, application, callId);
    await expect.poll(async () => (await call(session))?.deadlines).toHaveProperty("callerAway");
  });
});
